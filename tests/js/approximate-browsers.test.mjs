// @ts-check
/** Searches to a recall target in Chromium and in Firefox, by the packed package, in the page and in a worker of its own. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { launch } from './lib/browsers.mjs';
import { loadPackage } from './lib/package.mjs';
import { serve } from './lib/serve.mjs';

const { packageRoot } = await loadPackage(process.env.TWINDEX_PACKAGE);

/** @param {string} type @param {string | Buffer} content */
const answer = (type, content) => (/** @type {unknown} */ _, /** @type {import('node:http').ServerResponse} */ response) => {
  response.writeHead(200, { 'content-type': type });
  response.end(content);
};

for (const name of /** @type {const} */ (['chromium', 'firefox'])) {
  test(`${name} finds as many as it was asked to`, async (t) => {
    const site = await serve(packageRoot, {
      routes: {
        '/': answer('text/html; charset=utf-8', '<!doctype html><title>approximate</title>'),
        '/check.mjs': answer('text/javascript', readFileSync(new URL('./approximate/check.mjs', import.meta.url))),
      },
    });
    t.after(() => site.close());
    const browser = await launch(name);
    t.after(() => browser.close());
    const page = await browser.open(`${site.url}/`);
    for (const entry of ['index', 'worker']) {
      const found = await page.evaluate(async (/** @type {string} */ entry) => {
        const [twindex, { source }, check] = await Promise.all([`/dist/${entry}.mjs`, '/dist/approximate.mjs', '/check.mjs'].map((path) => import(path)));
        await twindex.init(source);
        const { vectors, documents, queries } = check.rows();
        const store = await twindex.VectorStore.fromVectors(vectors, documents, null, { dim: check.DIM });
        return { source, simd: (await store.info()).simd, faults: await check.faults(store, queries) };
      }, entry);
      assert.deepEqual(found, { source: `${site.url}/dist/twindex-approximate-relaxed.wasm`, simd: 'relaxed-simd', faults: [] }, entry);
    }
  });
}
