// @ts-check
/**
 * A process of its own: makes, uses and lets go of stores, and prints how large the module's memory is as it
 * goes on.
 */

import { setImmediate as turn } from 'node:timers/promises';

import { loadPackage } from '../lib/package.mjs';
import { watchModule } from './instance.mjs';

const watched = watchModule();
const { VectorStore } = await loadPackage(process.env.TWINDEX_PACKAGE);
const [way, dim, rounds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];

const ROWS = 10_000;
const vectors = Float32Array.from({ length: ROWS * dim }, (_, i) => Math.sin(i));
const documents = Array.from({ length: ROWS }, (_, i) => ({
  pageContent: `the text of document ${i}`,
  id: `id ${i}`,
  metadata: { number: i, tags: ['a', `tag ${i % 7}`] },
}));
const store = await VectorStore.fromVectors(vectors, documents, null, { dim });
const bytes = await store.serialize();
const query = vectors.subarray(0, dim);
store.free();

/** What never answers. */
const never = { embedDocuments: () => [], embedQuery: () => new Promise(() => {}) };

/** @type {Record<string, () => Promise<unknown>>} */
const WAYS = {
  async loads() {
    const store = await VectorStore.deserialize(bytes);
    store.free();
  },
  async uses() {
    const store = await VectorStore.deserialize(bytes);
    await store.similaritySearchByVector(query, 10, { number: { $lt: 100 } });
    await store.addVectors(query, [{ pageContent: 'one more' }]);
    await store.delete({ ids: ['id 0'] });
    await store.addVectors([], [{ pageContent: 'refused' }]).catch(() => {});
    await store.serialize();
    store.free();
  },
  async disposes() {
    const store = await VectorStore.deserialize(bytes);
    store[Symbol.dispose]();
  },
  async forgets() {
    const store = await VectorStore.deserialize(bytes);
    await store.asRetriever();
    for await (const _ of store) break;
  },
  async aborts() {
    const store = await VectorStore.deserialize(bytes, never);
    const controller = new AbortController();
    const searching = store.similaritySearch('no answer', { signal: controller.signal });
    await turn();
    controller.abort('enough');
    await searching.catch(() => {});
    store.free();
  },
};

for (let round = 1; round <= rounds; round++) {
  await WAYS[way]?.();
  if (/forgets|aborts/.test(way ?? '') && round % 5 === 0) {
    for (let i = 0; i < 3; i++) {
      /** @type {any} */ (globalThis).gc();
      await turn();
    }
  }
  if (round === 10 || round === rounds) {
    console.log(JSON.stringify({ round, bytes: watched.exports?.memory.buffer.byteLength }));
  }
}
