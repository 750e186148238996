// @ts-check
/**
 * Measures the built package against what it cannot be faster than: `npm run bench [-- DIR]`.
 *
 * DIR is a folder laid out like `data/wordnet`. Every answer is checked; exit code 1 if one is wrong. A ratio that
 * misses its floor is marked and fails nothing: the machine may be busy. The last line is one JSON object.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { init, VectorStore } from 'twindex';
import { assemble } from './assemble.mjs';
import { loadData, ROWS } from './data.mjs';
import { Exact, K, METRICS } from './exact.mjs';
import { LOOP_NAMES, PlainRows } from './loops.mjs';
import { Reading } from './reading.mjs';
import { fastest, inWords, takeTurns } from './timing.mjs';

/** @typedef {import('./exact.mjs').Metric} Metric */
/** @typedef {import('./timing.mjs').Times} Times */

const FEW_ROWS = 10_000;
/** Different queries that are asked, again and again. */
const QUERIES = 16;
const SEARCHES = { warmUp: 6, rounds: 48 };
const TRIALS = { warmUp: 3, rounds: 9 };
const COPIES = { warmUp: 2, rounds: 15 };

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

/**
 * Prints a ratio: how many times as long `times` took as `base`, or how many times as fast it was.
 *
 * @param {string} name
 * @param {string} words
 * @param {{ times: Times, base: Times, atMost?: number, atLeast?: number }} measured
 */
function report(name, words, { times, base, atMost, atLeast }) {
  const ratio = atLeast === undefined ? times.median / base.median : base.median / times.median;
  const met = ratio <= (atMost ?? Infinity) && ratio >= (atLeast ?? 0);
  const floor = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  const cells = [words.padEnd(42), inWords(times).padEnd(40), inWords(base).padEnd(40), ratio.toFixed(2).padStart(6)];
  console.log(`${cells.join('  ')}  ${floor}${met ? '' : '  MISSED'}`);
  ratios[name] = Number(ratio.toFixed(4));
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
  const { buffer } = memory;
  if (buffer.byteLength === 0) throw new Error('the memory of the module is empty');
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

/** @param {Metric} metric */
async function measureSearch(metric) {
  for (const rows of [ROWS, FEW_ROWS]) {
    const data = vectors.subarray(0, rows * dim);
    const exact = new Exact(data, dim);
    const plain = new PlainRows(data, dim);
    const reading = await Reading.of(readers, data, dim);

    /** @param {number} round */
    const query = (round) => queries[round % QUERIES];
    /** @param {string} who @param {import('./exact.mjs').Hit[]} hits @param {number} round */
    const check = (who, hits, round) => {
      const wrong = exact.faults(metric, query(round), hits, `${round % QUERIES}`);
      faults.push(...wrong.map((fault) => `${who}, ${rows} rows, ${fault}`));
    };
    /** @param {string} loop */
    const plainSide = (loop) => ({
      /** @param {number} round */
      run: (round) => plain.search(loop, metric, query(round), K),
      /** @param {import('./exact.mjs').Hit[]} hits @param {number} round */
      after: (hits, round) => check(`plain JavaScript, ${loop}`, hits, round),
    });
    /** @param {string} way */
    const readSide = (way) => ({
      run: () => reading.read(way),
      /** @param {number} total */
      after: (total) => {
        if (total !== reading.total) faults.push(`${way}: a sum of ${reading.total} expected, got ${total}`);
      },
    });

    const loop = fastest(await takeTurns(Object.fromEntries(LOOP_NAMES.map((name) => [name, plainSide(name)])), TRIALS));
    const way = fastest(await takeTurns(Object.fromEntries(reading.ways.map((name) => [name, readSide(name)])), TRIALS));
    const store = await storeOf(rows, metric);
    const storeSide = {
      /** @param {number} round */
      run: (round) => store.similaritySearchVectorWithScore(query(round), K),
      /** @param {[import('../js/index.js').Document, number][]} hits @param {number} round */
      after: (hits, round) => {
        const found = hits.map(([{ id }, score]) => ({ row: rowOfId.get(id) ?? -1, score }));
        check('the store', found, round);
      },
    };
    await settle();
    const times = await takeTurns({ store: storeSide, read: readSide(way), plain: plainSide(loop) }, SEARCHES);
    store.free();

    const words = `search, ${metric}, ${rows} rows, to`;
    if (rows === ROWS) {
      report(`search_${metric}_${rows}_to_reading`, `${words} reading`, { times: times.store, base: times.read, atMost: 1.3 });
    }
    report(`plain_javascript_${metric}_${rows}_to_search`, `${words} plain JavaScript`, {
      times: times.store,
      base: times.plain,
      atLeast: rows === ROWS ? 2 : 4,
    });
    console.log(`    (reading: ${way}; plain JavaScript: ${loop})`);
  }
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

const { source, dim, vectors, queries, documents } = loadData(process.argv[2]);
const rowOfId = new Map(documents.map(({ id }, row) => [id, row]));
const readers = assemble();
console.log(`${source}; ${dim} numbers each; Node ${process.versions.node}`);
const memory = await loadAndWatch();

await measureMemory();
console.log('milliseconds: the median, (a tenth took less to a tenth took more, the least)');
for (const metric of METRICS) await measureSearch(metric);
await measureOpeningAndAdding();

for (const fault of faults.slice(0, 20)) console.error(`WRONG: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
console.log(`${faults.length === 0 ? 'every answer was right' : `${faults.length} answers were wrong`}\n`);
console.log(JSON.stringify(ratios));
