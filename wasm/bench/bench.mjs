// @ts-check
/**
 * Measures the built package against what it cannot be faster than: `npm run bench [-- DIR]`.
 *
 * DIR is a folder laid out like `data/wordnet`. Every answer is checked; exit code 1 if one is wrong. A ratio that
 * misses its floor is marked and fails nothing: the machine may be busy. Then the ratio of processor times, which is
 * beside it, tells more. The last line is one JSON object.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { init, VectorStore } from 'twindex';
import { source } from 'twindex/approximate';
import { assemble } from './assemble.mjs';
import { loadData, ROWS } from './data.mjs';
import { Exact, K, METRICS } from './exact.mjs';
import { LOOP_NAMES, PlainRows } from './loops.mjs';
import { Reading } from './reading.mjs';
import { Ivf } from './ivf.mjs';
import { fastest, inWords, takeTurns } from './timing.mjs';

/** @typedef {import('./exact.mjs').Metric} Metric */
/** @typedef {import('./timing.mjs').Times} Times */

const FEW_ROWS = 10_000;
/** Different queries that are asked, again and again. */
const QUERIES = 16;
const SEARCHES = { warmUp: 6, rounds: 48, cpu };
const TRIALS = { warmUp: 3, rounds: 9 };
const COPIES = { warmUp: 2, rounds: 15, cpu };

const LOADS = [10, 1000];
/** A small store, so that 1,000 loads of it are soon done. */
const LOADED_DIM = 16;

setFlagsFromString('--expose-gc');
const collectGarbage = /** @type {() => void} */ (runInNewContext('gc'));

/** Nothing of an earlier run is left to be collected during a later one. */
async function settle() {
  collectGarbage();
  // Buffers go a little later.
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** @type {string[]} */
const faults = [];
/** @type {Record<string, number>} */
const ratios = {};
/** The same by processor time. @type {Record<string, number>} */
const byCpu = {};

/** Milliseconds that the processor has worked for this process. */
function cpu() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** @param {string[]} cells */
const line = ([what, times, base, ratio, cpuRatio, floor]) =>
  [what.padEnd(41), times.padEnd(38), base.padEnd(38), ratio.padStart(6), cpuRatio.padStart(6), floor].join('  ');

/**
 * Prints a ratio: how many times as fast `times` was as `base`, or, with `atMost`, how many times as long it took.
 *
 * @param {string} name
 * @param {string} words
 * @param {{ times: Times, base: Times, atMost?: number, atLeast?: number }} measured
 */
function report(name, words, { times, base, atMost, atLeast }) {
  /** @param {'median' | 'cpu'} by */
  const ratio = (by) => (atMost === undefined ? base[by] / times[by] : times[by] / base[by]);
  const met = ratio('median') <= (atMost ?? Infinity) && ratio('median') >= (atLeast ?? 0);
  const bound = atLeast === undefined ? atMost === undefined ? '' : `at most ${atMost}` : `at least ${atLeast}`;
  const floor = `${bound}${met ? '' : '  MISSED'}`;
  console.log(line([words, inWords(times), inWords(base), ratio('median').toFixed(2), ratio('cpu').toFixed(2), floor]));
  ratios[name] = Number(ratio('median').toFixed(4));
  byCpu[name] = Number(ratio('cpu').toFixed(4));
}

/** Catches the memory of the package's module when it is started. */
async function loadAndWatch() {
  const { instantiate } = WebAssembly;
  /** @type {WebAssembly.Memory | undefined} */
  let memory;
  WebAssembly.instantiate = /** @type {typeof instantiate} */ (
    async (/** @type {[WebAssembly.Module, WebAssembly.Imports?]} */ ...args) => {
      const instance = await instantiate(...args);
      for (const value of Object.values(instance.exports)) {
        if (value instanceof WebAssembly.Memory) memory = value;
      }
      return instance;
    }
  );
  await init();
  WebAssembly.instantiate = instantiate;
  if (!memory) throw new Error('the module was started without a memory');
  return memory;
}

/**
 * A store of the first rows.
 *
 * @param {number} rows
 * @param {Metric} [metric]
 */
const storeOf = (rows, metric = 'l2') =>
  VectorStore.fromVectors(vectors.subarray(0, rows * dim), documents.slice(0, rows), null, { dim, distanceStrategy: metric });

/** Memory after many loads and frees is as after a few. */
async function measureMemory() {
  const numbers = Float32Array.from({ length: FEW_ROWS * LOADED_DIM }, (_, i) => Math.sin(i));
  const store = await VectorStore.fromVectors(numbers, documents.slice(0, FEW_ROWS), null, { dim: LOADED_DIM });
  const bytes = await store.serialize();
  store.free();
  const sizes = [];
  for (let load = 1; load <= LOADS[1]; load++) {
    const loaded = await VectorStore.deserialize(bytes);
    if ((await loaded.count()) !== FEW_ROWS) faults.push(`load ${load}: ${await loaded.count()} documents`);
    loaded.free();
    if (LOADS.includes(load)) sizes.push(memory.buffer.byteLength);
  }
  const [few, many] = sizes;
  const words = `memory after ${LOADS[1]} loads and frees: ${many} bytes, after ${LOADS[0]}: ${few} bytes`;
  console.log(`${words}  ${(many / few).toFixed(2)}  equal${many === few ? '' : '  MISSED'}\n`);
  ratios.memory_after_1000_loads_to_10 = many / few;
}

/**
 * The fastest of these sides, by a short trial.
 *
 * @template T
 * @param {readonly string[]} names
 * @param {(name: string) => import('./timing.mjs').Side<T>} side
 */
async function fastestOf(names, side) {
  const name = fastest(await takeTurns(Object.fromEntries(names.map((each) => [each, side(each)])), TRIALS));
  return { name, side: side(name) };
}

/**
 * @param {Metric} metric
 * @param {number} rows
 */
async function measureSearch(metric, rows) {
  const data = vectors.subarray(0, rows * dim);
  const exact = new Exact(data, dim);
  const plain = new PlainRows(data, dim);

  /** @param {number} round */
  const query = (round) => queries[round % QUERIES];
  /** @param {string} who @param {import('./exact.mjs').Hit[]} hits @param {number} round */
  const check = (who, hits, round) => {
    const wrong = exact.faults(metric, query(round), hits, `${round % QUERIES}`);
    faults.push(...wrong.map((fault) => `${who}, ${rows} rows, ${fault}`));
  };

  const loop = await fastestOf(LOOP_NAMES, (name) => ({
    run: (round) => plain.search(name, metric, query(round), K),
    after: (hits, round) => check(`plain JavaScript, ${name}`, hits, round),
  }));
  const store = await storeOf(rows, metric);
  const searching = {
    /** @param {number} round */
    run: (round) => store.similaritySearchVectorWithScore(query(round), K),
    /** @param {[import('../js/index.js').Document, number][]} hits @param {number} round */
    after: (hits, round) => {
      const found = hits.map(([{ id }, score]) => ({ row: rowOfId.get(id) ?? -1, score }));
      check('the store', found, round);
    },
  };
  const words = `search, ${metric}, ${rows} rows, to`;

  // Each pair by itself: a third side would drive few rows out of the processor's caches.
  await settle();
  const toLoop = await takeTurns({ store: searching, plain: loop.side }, SEARCHES);
  if (rows === ROWS) {
    const reading = await Reading.of(readers, data, dim);
    const way = await fastestOf(reading.ways, (name) => ({
      run: () => reading.read(name),
      after: (total) => {
        if (total !== reading.total) faults.push(`${name}: a sum of ${reading.total} expected, got ${total}`);
      },
    }));
    await settle();
    const times = await takeTurns({ store: searching, read: way.side }, SEARCHES);
    report(`search_${metric}_${rows}_to_reading`, `${words} reading`, { times: times.store, base: times.read, atMost: 1.3 });
    console.log(`    (reading: ${way.name})`);
  }
  report(`plain_javascript_${metric}_${rows}_to_search`, `${words} JavaScript`, {
    times: toLoop.store,
    base: toLoop.plain,
    atLeast: rows === ROWS ? 2 : 4,
  });
  console.log(`    (JavaScript: ${loop.name})`);
  store.free();
}

async function measureOpeningAndAdding() {
  const first = await storeOf(ROWS);
  const bytes = await first.serialize();
  first.free();
  /** @param {string} what @param {VectorStore} store @param {number} round */
  const same = async (what, store, round) => {
    const again = await store.serialize();
    if (Buffer.compare(again, bytes) !== 0) faults.push(`${what}, round ${round}: another store than the first one`);
    store.free();
  };
  /** @param {string} what @param {Float32Array | Uint8Array} copy @param {Float32Array | Uint8Array} original */
  const sameNumbers = (what, copy, original) => {
    if (copy.length !== original.length || copy.at(-1) !== original.at(-1)) faults.push(`${what}: another copy`);
  };

  const opening = await takeTurns(
    {
      open: {
        run: () => VectorStore.deserialize(bytes),
        after: (store, round) => same('opened', store, round),
      },
      copy: {
        run: () => bytes.slice(),
        after: (copy) => sameNumbers('bytes', copy, bytes),
      },
    },
    { ...COPIES, before: settle },
  );
  report('open_to_copy', `opening ${ROWS} rows, to a copy`, { times: opening.open, base: opening.copy, atMost: 2 });

  const adding = await takeTurns(
    {
      add: {
        run: () => VectorStore.fromVectors(vectors, documents, null, { dim }),
        after: (store, round) => same('added', store, round),
      },
      copy: {
        run: () => vectors.slice(),
        after: (copy) => sameNumbers('vectors', copy, vectors),
      },
    },
    { ...COPIES, before: settle },
  );
  report('add_to_copy', `adding ${ROWS} rows, to a copy`, { times: adding.add, base: adding.copy, atMost: 3 });
}

/** What is asked for, and of how many queries the recall is measured. */
const [RECALL, RECALL_QUERIES] = [0.99, 100];

/** The package once more, with the binary that searches to a recall target. */
async function loadApproximate() {
  const other = await import(new URL('../dist/edge.mjs?approximate', import.meta.url).href);
  await other.init(readFileSync(fileURLToPath(source)));
  return /** @type {typeof VectorStore} */ (other.VectorStore);
}

/**
 * Searches to a recall target, against searches of the same store that are exact.
 *
 * @param {Metric} metric
 */
async function measureApproximate(metric) {
  const Store = await loadApproximate();
  const exact = new Exact(vectors, dim);
  const store = await Store.fromVectors(vectors, documents, null, { dim, distanceStrategy: metric });
  const asked = queries.slice(0, RECALL_QUERIES);
  const few = { k: K, recall: RECALL };
  let recall = 0;
  for (const [number, query] of asked.entries()) {
    const hits = await store.similaritySearchVectorWithScore(query, few);
    const found = hits.map(([{ id }, score]) => ({ row: rowOfId.get(id) ?? -1, score }));
    if (!exact.scoresHold(metric, query, found)) faults.push(`approximate, ${metric}, query ${number}: wrong scores`);
    recall += exact.recall(metric, query, found, `${number}`) / asked.length;
  }
  await settle();
  const times = await takeTurns(
    {
      approximate: { run: (round) => store.similaritySearchVectorWithScore(queries[round % QUERIES], few) },
      exact: { run: (round) => store.similaritySearchVectorWithScore(queries[round % QUERIES], K) },
    },
    SEARCHES,
  );
  const words = `${metric}, recall ${RECALL} (found ${recall.toFixed(4)}), to exact`;
  report(`exact_${metric}_to_approximate`, words, { times: times.approximate, base: times.exact });
  ratios[`${metric}_recall`] = recall;
  return store;
}

/** Lists, and how many of them a search looks into. */
const [LISTS, NPROBE] = [316, 8];

async function measureIvf() {
  const ivf = await Ivf.train(vectors, dim, LISTS, async (centroids) => {
    const lists = await VectorStore.fromVectors(centroids, Array.from({ length: LISTS }, (_, i) => ({ pageContent: '', id: `${i}` })), null, { dim });
    /** @type {number[]} */
    const nearest = [];
    for (let row = 0; row < ROWS; row += 1000) {
      const hits = await lists.similaritySearchBatch(/** @type {any} */ (Array.from({ length: 1000 }, (_, i) => vectors.subarray((row + i) * dim, (row + i + 1) * dim))), 1);
      nearest.push(...hits.map(([hit]) => Number(hit?.[0].id)));
    }
    lists.free();
    return nearest;
  });
  const file = ivf.bytes();
  const lists = await VectorStore.fromLangChain({ 'ivf.faiss': file });
  await lists.setSearchParameter('nprobe', NPROBE);
  // Every list: a scan of all vectors as they are.
  const all = await VectorStore.fromLangChain({ 'ivf.faiss': file });
  await all.setSearchParameter('nprobe', LISTS);
  const flat = await storeOf(ROWS);
  const approximate = await measureApproximate('l2');
  await settle();
  const times = await takeTurns(
    {
      approximate: { run: (round) => approximate.similaritySearchVectorWithScore(queries[round % QUERIES], { k: K, recall: RECALL }) },
      flat: { run: (round) => flat.similaritySearchVectorWithScore(queries[round % QUERIES], K) },
      all: { run: (round) => all.similaritySearchVectorWithScore(queries[round % QUERIES], K) },
      lists: {
        run: (round) => lists.similaritySearchVectorWithScore(queries[round % QUERIES], K),
        /** @param {[import('../js/index.js').Document, number][]} hits @param {number} round */
        after: (hits, round) => {
          const expected = ivf.nearest(queries[round % QUERIES], K, NPROBE);
          const near = (/** @type {number} */ i) => Math.abs((hits[i]?.[1] ?? NaN) - expected[i].score) <= 1e-5 * expected[i].score;
          if (!expected.every((_, i) => near(i))) faults.push(`ivf, query ${round % QUERIES}: ${expected.map(({ row }) => row)} expected, got ${hits.map(([{ id }]) => id)}`);
        },
      },
    },
    SEARCHES,
  );
  report('f32_to_ivf', `all vectors to ${NPROBE} of ${LISTS} lists, ${ROWS} rows`, { times: times.lists, base: times.all, atLeast: 15 });
  report('f32_to_exact', `all vectors to exact search, ${ROWS} rows`, { times: times.flat, base: times.all, atLeast: 3.5 });
  report('f32_to_approximate', `all vectors to recall ${RECALL}, ${ROWS} rows`, { times: times.approximate, base: times.all, atLeast: 20 });
  approximate.free();
  lists.free();
  all.free();
  flat.free();
}

const { source: origin, dim, vectors, queries, documents } = loadData(process.argv[2]);
const rowOfId = new Map(documents.map(({ id }, row) => [id, row]));
const readers = assemble();
console.log(`${origin}; ${dim} numbers each; Node ${process.versions.node}`);
const memory = await loadAndWatch();

await measureMemory();
console.log('milliseconds: the median (a tenth took less to a tenth took more, the least)');
console.log(line(['', 'this', 'to that', 'ratio', 'by CPU', 'floor']));
for (const rows of [ROWS, FEW_ROWS]) {
  for (const metric of METRICS) await measureSearch(metric, rows);
}
await measureOpeningAndAdding();
for (const metric of /** @type {const} */ (['ip', 'cosine'])) (await measureApproximate(metric)).free();
await measureIvf();

for (const fault of faults.slice(0, 20)) console.error(`WRONG: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
console.log(`${faults.length === 0 ? 'every answer was right' : `${faults.length} answers were wrong`}\n`);
console.log(JSON.stringify({ ...ratios, cpu: byCpu }));
