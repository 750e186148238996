// @ts-check
/**
 * Real browsers for tests: Chromium and Firefox behind one small interface. A browser that is missing is an
 * error, never a reason to skip.
 *
 * A page tells its outcome by putting a promise (of something that JSON has) into `globalThis.outcome`.
 *
 * @example
 * const browser = await launch('chromium');
 * const page = await browser.open('http://127.0.0.1:8080/page.html');
 * const result = await page.outcome();
 * assert.deepEqual(page.problems, []);
 * await browser.close();
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

/** @typedef {'chromium' | 'firefox'} BrowserName */

/**
 * @typedef {object} OpenOptions
 * @property {() => void} [before] runs in the page before any of its own scripts; it cannot use what is
 *   around it here
 */

/**
 * @typedef {object} Page
 * @property {string[]} problems uncaught errors and everything written to the console as an error, so far
 * @property {() => Promise<any>} outcome what the page's `globalThis.outcome` resolves to; rejects as it
 *   does, or if the page fails before there is one
 * @property {<A, R>(run: (argument: A) => R | Promise<R>, argument: A) => Promise<R>} evaluate runs a
 *   function in the page; the argument and what it returns are of JSON's kinds
 * @property {() => Promise<void>} close
 * @property {import('playwright-core').Page | import('puppeteer-core').Page} driver the driver's own page,
 *   for what only one browser can do
 */

/**
 * @typedef {object} Browser
 * @property {BrowserName} name
 * @property {(url: string, options?: OpenOptions) => Promise<Page>} open opens a page; all pages of a browser
 *   share its storage
 * @property {() => Promise<void>} close
 */

/** @type {Record<BrowserName, { variable: string, path: string, debian: string }>} */
const PROGRAMS = {
  chromium: { variable: 'TWINDEX_CHROMIUM', path: '/usr/bin/chromium', debian: 'chromium' },
  firefox: { variable: 'TWINDEX_FIREFOX', path: '/usr/bin/firefox-esr', debian: 'firefox-esr' },
};

const CHROMIUM_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Starts a browser with an empty profile of its own.
 *
 * @param {BrowserName} name
 * @param {{ preferences?: object }} [options] preferences of Chromium's profile, as its file has them
 * @returns {Promise<Browser>}
 */
export async function launch(name, { preferences } = {}) {
  const { variable, path, debian } = PROGRAMS[name];
  const executablePath = process.env[variable] ?? path;
  if (!existsSync(executablePath)) {
    throw new Error(
      `${name} is missing: no ${executablePath} (apt-get install ${debian}, or name it in ${variable})`,
    );
  }
  return name === 'chromium' ? launchChromium(executablePath, preferences) : launchFirefox(executablePath);
}

/**
 * @param {string} executablePath
 * @param {object} [preferences]
 * @returns {Promise<Browser>}
 */
async function launchChromium(executablePath, preferences) {
  const { context, close } = await (preferences === undefined ? freshContext(executablePath) : contextWith(executablePath, preferences));
  return {
    name: 'chromium',
    async open(url, { before } = {}) {
      const page = await context.newPage();
      /** @type {string[]} */
      const problems = [];
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`${message.text()} (${message.location().url})`);
      });
      page.on('pageerror', (error) => problems.push(error.stack ?? error.message));
      page.on('crash', () => problems.push('the page crashed'));
      if (before !== undefined) await page.addInitScript(before);
      await page.goto(url);
      return pageOf(page, problems, (run, argument) => page.evaluate(run, /** @type {any} */ (argument)));
    },
    close,
  };
}

/** @param {string} executablePath */
async function freshContext(executablePath) {
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGUMENTS });
  return { context: await browser.newContext(), close: () => browser.close() };
}

/**
 * @param {string} executablePath
 * @param {object} preferences
 */
async function contextWith(executablePath, preferences) {
  const profile = await mkdtemp(join(tmpdir(), 'twindex-chromium-'));
  await mkdir(join(profile, 'Default'));
  await writeFile(join(profile, 'Default/Preferences'), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: CHROMIUM_ARGUMENTS });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/**
 * @param {string} executablePath
 * @returns {Promise<Browser>}
 */
async function launchFirefox(executablePath) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    extraPrefsFirefox: { 'browser.chrome.site_icons': false }, // favicons would break strict policies
  });
  return {
    name: 'firefox',
    async open(url, { before } = {}) {
      const page = await browser.newPage();
      /** @type {string[]} */
      const problems = [];
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`${message.text()} (${message.location().url})`);
      });
      page.on('response', (response) => {
        // Chromium writes this to the console by itself.
        if (response.status() >= 400) problems.push(`status ${response.status()} (${response.url()})`);
      });
      page.on('pageerror', (error) =>
        problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      );
      if (before !== undefined) await page.evaluateOnNewDocument(before);
      await page.goto(url);
      return pageOf(page, problems, (run, argument) => page.evaluate(run, argument));
    },
    close: () => browser.close(),
  };
}

/**
 * @param {import('playwright-core').Page | import('puppeteer-core').Page} driver
 * @param {string[]} problems
 * @param {(run: any, argument: any) => Promise<any>} evaluate
 * @returns {Page}
 */
function pageOf(driver, problems, evaluate) {
  return {
    driver,
    problems,
    evaluate,
    async outcome() {
      while (!(await evaluate(() => 'outcome' in globalThis, null))) {
        if (problems.length > 0) throw new Error(`the page failed: ${problems.join('; ')}`);
        await sleep(20);
      }
      // As text: the drivers' own ways to bring values over differ.
      return JSON.parse(
        await evaluate(async () => JSON.stringify(await /** @type {any} */ (globalThis).outcome), null),
      );
    },
    close: () => driver.close(),
  };
}
