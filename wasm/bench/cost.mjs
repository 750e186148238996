// @ts-check
/**
 * What one way of searching costs at one number of rows, in Node: `node bench/cost.mjs MODE DIR ROWS`.
 *
 * DIR is a folder laid out like `data/wordnet`; where it has fewer rows, more are made of them. The last line is one JSON object: milliseconds, the module's bytes of memory, and the share of
 * the true neighbours among those found.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { source } from 'twindex/approximate';
import { assemble } from './assemble.mjs';
import { loadData } from './data.mjs';
import { Exact, K } from './exact.mjs';
import { PlainRows } from './loops.mjs';
import { Reading } from './reading.mjs';
import { takeTurns } from './timing.mjs';

const CHECKED = 10;
const SEARCHES = { warmUp: 5, rounds: 60 };
const RECALL = 0.99;

const [mode = '', folder, count = ''] = process.argv.slice(2);
const rows = Number(count);
if (!['exact', 'approximate', 'javascript', 'read-vectors'].includes(mode) || !(rows > 0)) {
  console.error('usage: node bench/cost.mjs exact|approximate|javascript|read-vectors DIR ROWS');
  process.exit(2);
}
const { dim, vectors, queries, documents } = loadData(folder, rows);

/** @typedef {import('./exact.mjs').Hit} Hit */
/** @typedef {{ find: (query: Float32Array) => Promise<Hit[]> | Hit[], bytes: number | null }} Way */

/** @param {object} options @returns {Promise<Way>} */
async function store(options) {
  const { instantiate } = WebAssembly;
  /** @type {WebAssembly.Memory[]} */
  const memories = [];
  WebAssembly.instantiate = /** @type {typeof instantiate} */ (
    async (/** @type {[WebAssembly.Module, WebAssembly.Imports?]} */ ...args) => {
      const instance = await instantiate(...args);
      memories.push(...Object.values(instance.exports).filter((value) => value instanceof WebAssembly.Memory));
      return instance;
    }
  );
  const { VectorStore, init } = /** @type {typeof import('../js/index.js')} */ (await import(new URL('../dist/edge.mjs', import.meta.url).href));
  await init(readFileSync(mode === 'approximate' ? fileURLToPath(source) : new URL('../dist/twindex.wasm', import.meta.url)));
  // All at once: a list that grows needs room for itself twice, which a module does not have for a million.
  const made = await VectorStore.fromVectors(vectors, documents.map((_, row) => ({ pageContent: '', id: `${row}` })), null, { dim });
  /** @param {Float32Array} query */
  const find = async (query) => (await made.similaritySearchVectorWithScore(query, { ...options, k: K })).map(([{ id }, score]) => ({ row: Number(id), score }));
  await find(/** @type {Float32Array} */ (queries[0]));
  return { find, bytes: memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0) };
}

/** @returns {Promise<Way>} */
async function reading() {
  const loops = await Reading.of(assemble(), vectors, dim);
  return { find: () => (loops.read('8 sums, 4 streams'), []), bytes: null };
}

/** @returns {Way} */
function loop() {
  const plain = new PlainRows(vectors, dim);
  return { find: (query) => plain.search('four sums', 'l2', query, K), bytes: vectors.byteLength };
}

const started = performance.now();
const way = mode === 'javascript' ? loop() : mode === 'read-vectors' ? await reading() : await store(mode === 'approximate' ? { recall: RECALL } : {});
const build = performance.now() - started;
const query = (/** @type {number} */ round) => /** @type {Float32Array} */ (queries[round % queries.length]);
const { way: times } = await takeTurns({ way: { run: (round) => way.find(query(round)) } }, SEARCHES);

let recall = null;
if (mode !== 'read-vectors') {
  const exact = new Exact(vectors, dim);
  recall = 0;
  for (let number = 0; number < CHECKED; number++) recall += exact.recall('l2', query(number), await way.find(query(number)), `${number}`);
  recall /= CHECKED;
  if (recall < 1 && mode !== 'approximate') {
    console.error(`WRONG: ${mode} found ${recall} of the true neighbours`);
    process.exitCode = 1;
  }
}
console.log(JSON.stringify({ rows, dim, build_ms: build, query_ms: times.median, query_least_ms: times.least, bytes: way.bytes, recall }));
