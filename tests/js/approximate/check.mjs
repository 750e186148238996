// @ts-check
/** What a search to a recall target is held to, in every engine of JavaScript. */

export const DIM = 64;
export const COUNT = 10_000;
export const K = 10;
export const RECALL = 0.95;

/** @typedef {import('../../../wasm/js/index.js').VectorStore} Store */

/** Rows around two hundred centers, themselves far from zero, as embeddings are; the last are the queries. */
export function rows() {
  let state = 5;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 31 - 1;
  const centers = Float32Array.from({ length: 200 * DIM }, next);
  const vectors = new Float32Array((COUNT + 20) * DIM);
  for (let row = 0; row < COUNT + 20; row++) {
    const center = Math.floor(((next() + 1) / 2) * 200) * DIM;
    for (let i = 0; i < DIM; i++) vectors[row * DIM + i] = centers[center + i] + 0.5 + 0.5 * next();
  }
  const documents = Array.from({ length: COUNT }, (_, i) => ({
    pageContent: `text ${i}`,
    id: `d${i}`,
    metadata: { i, part: i % 3, rare: i % 200 },
  }));
  const queries = Array.from({ length: 20 }, (_, i) =>
    Array.from(vectors.subarray((COUNT + i) * DIM, (COUNT + i + 1) * DIM)),
  );
  return { vectors: vectors.subarray(0, COUNT * DIM), documents, queries };
}

/**
 * Searches to a recall target and exactly, with and without filters, one by one and in one call.
 *
 * @param {Store} store
 * @param {number[][]} queries
 * @returns {Promise<string[]>} what is wrong
 */
export async function faults(store, queries) {
  const wrong = [];
  for (const filter of [undefined, { part: { $lt: 2 } }, { rare: 7 }]) {
    let hits = 0;
    const together = await store.similaritySearchBatch(queries, { k: K, filter, recall: RECALL });
    for (const [at, query] of queries.entries()) {
      const exact = await store.similaritySearchVectorWithScore(query, { k: 500, filter });
      const scores = new Map(exact.map(([{ id }, score]) => [id, score]));
      const best = new Set(exact.slice(0, K).map(([{ id }]) => id));
      const found = await store.similaritySearchVectorWithScore(query, { k: K, filter, recall: RECALL });
      if (JSON.stringify(found) !== JSON.stringify(together[at])) wrong.push(`query ${at} differs in a batch`);
      if (found.length !== Math.min(K, exact.length)) wrong.push(`query ${at}: ${found.length} hits`);
      for (const [{ id }, score] of found) {
        if (scores.get(id) !== score) wrong.push(`query ${at}: ${id} has another score`);
        hits += Number(best.has(id));
      }
      const all = await store.similaritySearchVectorWithScore(query, { k: K, filter, recall: 1 });
      if (JSON.stringify(all) !== JSON.stringify(exact.slice(0, K))) wrong.push(`query ${at}: recall 1 is not exact`);
    }
    const recall = hits / (K * queries.length);
    if (recall < RECALL) wrong.push(`recall ${recall} with ${JSON.stringify(filter)}`);
  }
  let missed = 0;
  for (const query of queries) {
    const exact = await store.similaritySearchByVector(query, K);
    const found = new Set((await store.similaritySearchByVector(query, { k: K, recall: 0.01 })).map(({ id }) => id));
    missed += exact.filter(({ id }) => !found.has(id)).length;
  }
  if (missed === 0) wrong.push('a search that may miss nearly all misses nothing: it is exact');
  return wrong;
}
