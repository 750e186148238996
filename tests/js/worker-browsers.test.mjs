// @ts-check
/**
 * `twindex/worker` in Chromium and in Firefox: large stores beside a page that goes on, cancelling, and
 * workers that cannot be started.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { launch } from './lib/browsers.mjs';
import { serve } from './lib/serve.mjs';
import { project } from './worker/twindex.mjs';

const HTML = `<!doctype html>
<html lang="en">
  <title>twindex/worker</title>
  <script type="importmap">
    {
      "imports": {
        "twindex": "/node_modules/twindex/dist/index.mjs",
        "twindex/worker": "/node_modules/twindex/dist/worker.mjs"
      }
    }
  </script>
  <script type="module" src="/page.mjs"></script>
</html>`;

/** @param {string} type @param {string | Buffer} content @returns {import('./lib/serve.mjs').Route} */
const file = (type, content) => (_, response) =>
  void response.writeHead(200, { 'content-type': type }).end(content);

const routes = {
  '/page.html': file('text/html', HTML),
  '/page.mjs': file('text/javascript', readFileSync(new URL('worker/page.mjs', import.meta.url))),
};

for (const name of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(name, () => {
    /** @type {import('./lib/browsers.mjs').Browser} */
    let browser;
    before(async () => {
      browser = await launch(name);
    });
    after(() => browser.close());

    /**
     * @param {import('node:test').TestContext} t
     * @param {string} part
     * @param {import('./lib/serve.mjs').ServeOptions} [options]
     */
    async function outcomeOf(t, part, options) {
      const site = await serve(project, { routes, ...options });
      t.after(() => site.close());
      const page = await browser.open(`${site.url}/page.html?part=${part}`);
      t.after(() => page.close());
      return { site, page, outcome: await page.outcome() };
    }

    test('100,000 vectors give the same answers in a worker and in three, and the page goes on', async (t) => {
      const { outcome } = await outcomeOf(t, 'large');
      const { main, worker, slices, detached } = outcome.answers;
      assert.deepEqual(worker, main);
      assert.deepEqual(slices, main);
      assert.deepEqual(main.single[0], ['d5', 0]);
      assert.deepEqual(
        main.batch.map((/** @type {any} */ [[id]]) => id),
        ['d5', 'd50000', 'd99999'],
      );
      assert.deepEqual(main.asked, main.filtered);
      assert.deepEqual([main.deleted, main.count, main.changed[0][0]], [3, 99_998, ['new', 0]]);
      assert.equal(detached, true);
      for (const [what, milliseconds] of Object.entries(outcome.gaps)) {
        t.diagnostic(`${name}: ${what}: the page stood still for at most ${milliseconds} ms`);
      }
    });

    test('a search that is cancelled rejects at once, while the worker is busy', async (t) => {
      const { outcome } = await outcomeOf(t, 'abort');
      assert.deepEqual(outcome, {
        isReason: true,
        cameFirst: true,
        whole: 60,
        stopped: 'enough',
        count: 100_000,
      });
    });

    test('a worker that cannot be started, or breaks, fails the calls; a given one is used', async (t) => {
      const { outcome } = await outcomeOf(t, 'start');
      const failed = [true, 'worker_failed', true];
      assert.deepEqual(outcome, {
        missing: failed,
        still: failed,
        elsewhere: failed,
        wrong: [true, 'wasm_unavailable', false],
        died: failed,
        lost: failed,
        count: 0,
        terminated: [true, 'worker_failed', false],
      });
    });

    test('a page whose policy forbids workers gets an error', async (t) => {
      const csp =
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'none'";
      const { outcome, site } = await outcomeOf(t, 'forbidden', { csp });
      assert.equal(outcome, 'worker_failed');
      assert.deepEqual(
        site.requests.filter(({ path }) => path.endsWith('worker-host.mjs')),
        [],
      );
    });
  });
}
