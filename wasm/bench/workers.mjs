// @ts-check
/**
 * One exact query of a store in one worker and of one in two, in Node: `node bench/workers.mjs [DIR]`, DIR laid
 * out like `data/wordnet`. Every answer is compared. Needs what `npm run build` makes.
 */

import assert from 'node:assert/strict';

import { loadData } from './data.mjs';
import { inWords, takeTurns } from './timing.mjs';

/** @type {typeof import('../js/worker.js')} */
const { VectorStore, terminate } = await import(String(new URL('../dist/worker-node.mjs', import.meta.url)));

for (const rows of [20_000, 200_000]) {
  const { source, dim, vectors, queries, documents } = loadData(process.argv[2], rows);
  const [one, two] = await Promise.all(
    [1, 2].map((workers) => VectorStore.fromVectors(vectors, documents, null, { dim, workers })),
  );
  const side = (/** @type {typeof one} */ store) => ({
    run: (/** @type {number} */ round) =>
      store.similaritySearchVectorWithScore(queries[round % queries.length], 10),
  });
  /** @type {unknown} */
  let expected;
  const times = await takeTurns(
    {
      one: { ...side(one), after: (answer) => void (expected = answer) },
      two: { ...side(two), after: (answer) => assert.deepEqual(answer, expected) },
    },
    { warmUp: 20, rounds: 200 },
  );
  console.log(`${rows} rows of ${dim} numbers (${source}), milliseconds for a query, k = 10:`);
  console.log(`  one worker  ${inWords(times.one)}`);
  console.log(`  two workers ${inWords(times.two)}`);
  one.free();
  two.free();
}
await terminate();
