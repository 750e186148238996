// @ts-check
/** `twindex/embed` in Chromium and in Firefox: the same vectors, in a worker; the model kept, and found without a network. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { difference, halfOf, project, realModel, tiny } from './embed/twindex.mjs';
import { launch } from './lib/browsers.mjs';
import { serve } from './lib/serve.mjs';

/** @typedef {import('./lib/serve.mjs').Route} Route */

const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; img-src data:";

/** @param {string} type @param {string | Buffer} content @returns {Route} */
const file = (type, content) => (_, response) => void response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(content) }).end(content);

/** @param {string} name */
const own = (name) => readFileSync(new URL(`embed/${name}`, import.meta.url));

const FILES = ['config.json', 'tokenizer.json', 'model.safetensors', 'modules.json', 'sentence_bert_config.json', '1_Pooling/config.json'];

/**
 * The page, and a model under `/model/`.
 *
 * @param {string} folder
 * @param {string[]} texts
 * @returns {Record<string, Route>}
 */
const routesOf = (folder, texts) => ({
  '/page.html': file('text/html', own('page.html')),
  '/page.mjs': file('text/javascript', own('page.mjs')),
  '/texts.json': file('application/json', JSON.stringify(texts)),
  ...Object.fromEntries(FILES.map((name) => [`/model/${name}`, file('application/octet-stream', readFileSync(join(folder, name)))])),
});

/** @type {Promise<string> | undefined} */
let half;

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
     * @param {Record<string, Route>} routes
     */
    async function siteOf(t, routes) {
      const site = await serve(project, { routes, csp: POLICY });
      t.after(() => site.close());
      return site;
    }

    /**
     * @param {import('node:test').TestContext} t
     * @param {string} url
     * @param {RegExp} [expected] problems that are
     */
    async function outcomeOf(t, url, expected) {
      const page = await browser.open(url);
      t.after(() => page.close());
      const outcome = await page.outcome();
      assert.deepEqual(page.problems.filter((problem) => !expected?.test(problem)), []);
      return outcome;
    }

    test('a model gives its native vectors, once downloaded and kept, while the page goes on', async (t) => {
      const site = await siteOf(t, routesOf(tiny.folder, tiny.texts));
      const bytes = Object.values(tiny.files()).reduce((sum, { length }) => sum + length, 0);
      const { vectors, told, before, cached, found } = await outcomeOf(t, `${site.url}/page.html?part=vectors`);
      assert.ok(difference(vectors, tiny.vectors) < 1e-5);
      assert.deepEqual({ told, before, cached, found }, { told: { loaded: bytes, total: bytes }, before: false, cached: true, found: true });
      const asked = () => site.requests.filter(({ path }) => path.startsWith('/model/')).map(({ path }) => path.slice(7));
      assert.deepEqual(asked().toSorted(), FILES.toSorted());
      const again = await outcomeOf(t, `${site.url}/page.html?part=vectors`);
      assert.deepEqual([again.before, again.cached, again.told], [true, true, told]);
      assert.equal(asked().length, FILES.length, 'nothing is downloaded again');
      assert.deepEqual(site.violations, []);
    });

    test('a cache that is damaged is made good; a model can be removed from it', async (t) => {
      const site = await siteOf(t, routesOf(tiny.folder, tiny.texts));
      const outcome = await outcomeOf(t, `${site.url}/page.html?part=cache`);
      const healed = tiny.files().weights.length;
      assert.deepEqual(outcome, { wasCached: [true, false], cached: [true, true, false], healed, removed: [true, false], left: 0, kept: 0 });
    });

    test('without a network the model that was kept is loaded', async (t) => {
      const routes = routesOf(tiny.folder, tiny.texts);
      const site = await siteOf(t, routes);
      const expected = { length: tiny.dim, cached: true };
      assert.deepEqual(await outcomeOf(t, `${site.url}/page.html?part=again`), expected);
      for (const path of Object.keys(routes)) {
        if (path.startsWith('/model/')) routes[path] = (_, response) => void response.destroy();
      }
      assert.deepEqual(await outcomeOf(t, `${site.url}/page.html?part=again`), expected);
    });

    test('what goes wrong has a code', async (t) => {
      const site = await siteOf(t, routesOf(tiny.folder, tiny.texts));
      const outcome = await outcomeOf(t, `${site.url}/page.html?part=errors`, /404|nowhere/);
      assert.deepEqual(outcome, {
        missing: 'embeddings_model_file',
        damaged: 'embeddings_model',
        worker: 'worker_failed',
        wasm: 'wasm_unavailable',
        freed: 'embeddings_freed',
      });
    });

    test('all-MiniLM-L6-v2 in f16 gives the vectors of sentence-transformers', async (t) => {
      const model = realModel();
      if (!model) return t.diagnostic('NOT CHECKED: TWINDEX_MODEL_DIR is not set');
      const folder = await (half ??= halfOf(model.folder));
      const site = await siteOf(t, routesOf(folder, model.texts));
      const { vectors, longest, query, cached } = await outcomeOf(t, `${site.url}/page.html?part=vectors`);
      const apart = difference(vectors, model.vectors);
      assert.ok(apart < 5e-4, String(apart));
      assert.equal(cached, true);
      t.diagnostic(`${name}: ${query.toFixed(1)} ms a query, ${apart.toExponential(1)} off; the page stood still for at most ${longest} ms`);
    });
  });
}
