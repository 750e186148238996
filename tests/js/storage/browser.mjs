// @ts-check
/** Real browsers that keep what they store in a profile on disk, can be killed, and can be started again. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';

/** @typedef {'chromium' | 'firefox'} BrowserName */
/** @typedef {'page' | 'worker'} Where */

/**
 * @typedef {object} Tab
 * @property {(where: Where, act: string, ...args: unknown[]) => Promise<any>} call what an act of `agent.mjs` gives or rejects with
 * @property {(word: string) => Promise<void>} told waits until the agent tells this
 * @property {() => Promise<string[]>} allTold what the agent told so far
 * @property {string[]} problems uncaught errors so far
 * @property {() => Promise<void>} close
 * @property {import('puppeteer-core').Page} driver
 */

const CHROMIUM_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A name that is not loopback's, so that browsers treat its pages as they treat pages without TLS. */
export const INSECURE_HOST = 'insecure.test';

/**
 * Starts a browser.
 *
 * @param {BrowserName} name
 * @param {{ profile?: string, prefs?: Record<string, unknown> }} [options] a profile folder to go on with; an empty one of its own unless given
 */
export async function launch(name, { profile, prefs = {} } = {}) {
  const folder = profile ?? mkdtempSync(join(tmpdir(), `twindex-${name}-`));
  const browser = await puppeteer.launch({
    browser: name === 'chromium' ? 'chrome' : 'firefox',
    executablePath:
      name === 'chromium'
        ? (process.env.TWINDEX_CHROMIUM ?? '/usr/bin/chromium')
        : (process.env.TWINDEX_FIREFOX ?? '/usr/bin/firefox-esr'),
    headless: true,
    userDataDir: folder,
    args: name === 'chromium' ? [...CHROMIUM_ARGUMENTS, `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`] : [],
    extraPrefsFirefox: { 'network.dns.localDomains': INSECURE_HOST, ...prefs },
  });
  return {
    name,
    /**
     * @param {string} url
     * @returns {Promise<Tab>}
     */
    async open(url) {
      const page = await browser.newPage();
      /** @type {string[]} */
      const problems = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      await page.goto(url);
      return tabOf(page, problems);
    },
    async close() {
      await browser.close();
      if (profile === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
    /** Ends the browser as a crash of the machine would: all of its processes at once. */
    async kill() {
      const group = -(browser.process()?.pid ?? NaN);
      process.kill(group, 'SIGKILL');
      while (isRunning(group)) await sleep(5);
      // The driver puts Firefox's preferences back now, which must not happen to a browser started meanwhile.
      while (readdirSync(folder).some((file) => file.endsWith('.puppeteer'))) await sleep(5);
    },
  };
}

/** @param {number} id of a process, negative for a group */
function isRunning(id) {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

/**
 * @param {import('puppeteer-core').Page} page
 * @param {string[]} problems
 * @returns {Tab}
 */
function tabOf(page, problems) {
  return {
    driver: page,
    problems,
    async call(where, act, ...args) {
      // As text: the protocols have their own ideas of null and undefined.
      const outcome = await page.evaluate(
        async (place, request) => JSON.stringify(await /** @type {any} */ (globalThis).call(place, JSON.parse(request))),
        where,
        JSON.stringify({ act, args }),
      );
      const { value, error } = JSON.parse(outcome);
      if (error) throw Object.assign(new Error(error.message), error);
      return value;
    },
    async told(word) {
      // Not at each frame, as would be usual: tabs in the background draw none.
      const options = { polling: 20, timeout: 0 };
      await page.waitForFunction((expected) => /** @type {any} */ (globalThis).told.includes(expected), options, word);
    },
    allTold: () => page.evaluate(() => /** @type {any} */ (globalThis).told),
    close: () => page.close(),
  };
}
