// @ts-check
/** Searches to a recall target, by the binaries of `twindex/approximate`, in Node: one thread, a worker, several. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { after, before, describe, test } from 'node:test';

import { DIM, faults, rows } from './approximate/check.mjs';
import { embeddings, main, project, worker } from './worker/twindex.mjs';

const { load } = await import(pathToFileURL(join(project, 'import.mjs')).href);

/** @type {typeof import('../../wasm/js/approximate.js')} */
const { source } = await load('twindex/approximate');

before(() => Promise.all([main.init(source), worker.init(source)]));
after(() => worker.terminate());

const { vectors, documents, queries } = rows();

for (const [where, { VectorStore }, more] of /** @type {const} */ ([
  ['in one thread', main, {}],
  ['in a worker', worker, {}],
  ['in two workers', worker, { workers: 2 }],
])) {
  describe(where, () => {
    for (const distanceStrategy of /** @type {const} */ (['EUCLIDEAN_DISTANCE', 'COSINE'])) {
      test(`finds as many as it was asked to, by ${distanceStrategy}`, async () => {
        const options = { dim: DIM, distanceStrategy, ...more };
        const store = await VectorStore.fromVectors(vectors, documents, null, /** @type {any} */ (options));
        assert.deepEqual(await faults(/** @type {any} */ (store), queries), []);
        store.free();
      });
    }

    test('refuses what is no recall', async () => {
      const store = await VectorStore.fromTexts(['a', 'b'], null, embeddings, /** @type {any} */ (more));
      for (const recall of [0, -0.5, 1.5, Infinity]) {
        await assert.rejects(store.similaritySearch('a', { recall }), {
          code: 'invalid_option',
          message: /^option recall: expected a number above 0 and at most 1, got /,
        });
      }
      for (const recall of [NaN, '1', 1n, true, [1]]) {
        await assert.rejects(store.similaritySearch('a', /** @type {any} */ ({ recall })), {
          code: 'invalid_option',
          message: /^option recall: expected a number, got /,
        });
      }
      assert.equal((await store.similaritySearch('a', { k: 1, recall: 0.9 })).length, 1);
      store.free();
    });
  });
}

test('a search by maximal marginal relevance takes no recall', async () => {
  const store = await main.VectorStore.fromTexts(['a', 'b'], null, embeddings);
  await assert.rejects(store.maxMarginalRelevanceSearch('a', /** @type {any} */ ({ recall: 0.9 })), { code: 'invalid_option' });
  store.free();
});

test('indexes that are not flat say that they cannot', async () => {
  const folder = fileURLToPath(new URL('../data/fixtures/langchain/custom_ivf/', import.meta.url));
  const files = Object.fromEntries(
    ['index.faiss', 'index.pkl'].map((name) => [name, readFileSync(join(folder, name))]),
  );
  const store = await main.VectorStore.fromLangChain(files);
  const query = new Float32Array(Number((await store.info()).dim));
  await assert.rejects(store.similaritySearchByVector(query, { recall: 0.9 }), { code: 'unsupported_by_index' });
  store.free();
});
