// @ts-check
/** Files that others wrote, opened by the package and compared with what those others hold and answer. */

import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isSameData } from './compare.mjs';
import { parse } from './json.mjs';

/** @typedef {import('./package.mjs').Twindex} Twindex */
/** @typedef {import('./package.mjs').VectorStore} VectorStore */

/**
 * Indexes, `NAME.faiss` with `NAME.json`, and folders with an `expected.json`, in a folder and below.
 *
 * @param {string} folder
 * @returns {{ indexes: string[], stores: string[] }}
 */
export function find(folder) {
  /** @type {string[]} */
  const indexes = [];
  /** @type {string[]} */
  const stores = [];
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(folder, name);
    if (basename(name) === 'expected.json') stores.push(join(path, '..'));
    if (name.endsWith('.faiss') && existsSync(path.replace(/faiss$/, 'json'))) indexes.push(path);
  }
  return { indexes, stores };
}

/**
 * Checks all, and says what differs.
 *
 * @param {Twindex} twindex
 * @param {string} folder
 * @param {(line: string) => void} say
 */
export async function check({ VectorStore }, folder, say) {
  const { indexes, stores } = find(folder);
  let [passed, failed] = [0, 0];
  /**
   * @param {string} path
   * @param {() => Promise<void>} work
   */
  const tell = async (path, work) => {
    try {
      await work();
      passed++;
    } catch (error) {
      failed++;
      say(`${path}: ${error instanceof Error ? error.message : error}`);
    }
  };
  for (const path of indexes) await tell(path, () => checkIndex(VectorStore, path));
  for (const path of stores) {
    const files = Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));
    const { 'serialized.pkl': serialized, ...rest } = files;
    await tell(path, () => checkStore(VectorStore, rest));
    if (serialized) {
      await tell(`${path}/serialized.pkl`, () =>
        checkStore(VectorStore, { 'expected.json': rest['expected.json'], 'serialized.pkl': serialized }),
      );
    }
  }
  return { passed, failed };
}

/**
 * @param {boolean} holds
 * @param {string} what
 */
function expect(holds, what) {
  if (!holds) throw new Error(what);
}

/**
 * @param {Twindex['VectorStore']} VectorStore
 * @param {string} path
 */
async function checkIndex(VectorStore, path) {
  const expected = JSON.parse(readFileSync(path.replace(/faiss$/, 'json'), 'utf8'));
  const files = { [basename(path)]: readFileSync(path) };
  if (/Binary|IndexLSH/.test(expected.class) || expected.metric_type > 1) {
    const error = await VectorStore.fromLangChain(files).then(
      () => ({ code: 'opened', message: '' }),
      (error) => error,
    );
    const named = error.code === 'unsupported_content' && error.message.includes(expected.class);
    return expect(named, `to be refused by its name, ${expected.class}: ${error.code} ${error.message}`);
  }
  const store = await VectorStore.fromLangChain(files);
  try {
    const { count, dim, distanceStrategy, kind } = await store.info();
    expect(count === expected.ntotal && dim === expected.d, `${expected.ntotal} x ${expected.d} expected, got ${count} x ${dim}`);
    expect((distanceStrategy === 'EUCLIDEAN_DISTANCE') === (expected.metric_type === 1), `got ${distanceStrategy}`);
    const report = await store.importReport();
    expect(report !== null && report.index.startsWith(expected.class), `${expected.class} expected, got ${report?.index}`);
    for (const [name, value] of Object.entries(expected.search_params)) {
      await store.setSearchParameter(/** @type {any} */ (name), value);
    }
    // FAISS rounds queries to bf16 as well, where the processor has products of those.
    const tolerance = kind === 'SQbf16' ? 1e-3 : /SQ|PQ/.test(kind) ? 1e-4 : 1e-5;
    for (const [i, query] of expected.queries.entries()) {
      // Where FAISS finds fewer than asked for it fills up with -1 and the largest float; a store looks further.
      const found = expected.distances[i].filter((/** @type {number} */ distance) => Math.abs(distance) < 3e38).length;
      await checkHits(store, query, expected.ids[i].slice(0, found).map(String), expected.distances[i], tolerance);
    }
    for (const [position, decoded] of (expected.decoded_first_3 ?? []).entries()) {
      const vector = await store.getVector(/** @type {string} */ ((await store.ids())[position]));
      const near = decoded.every((/** @type {number} */ x, /** @type {number} */ j) => isNear(vector[j] ?? NaN, x, 1e-6));
      expect(near, `vector ${position}: ${decoded} expected, got ${vector}`);
    }
  } finally {
    store.free();
  }
}

/**
 * @param {number} a
 * @param {number} b
 * @param {number} tolerance
 */
const isNear = (a, b, tolerance) => Math.abs(a - b) <= tolerance * Math.max(Math.abs(b), 1);

/**
 * The hits of a query have these ids and scores, in this order; those whose scores are equal within the tolerance may change places.
 *
 * @param {VectorStore} store
 * @param {number[]} query
 * @param {(string | null)[]} ids
 * @param {number[]} scores
 * @param {number} tolerance
 */
async function checkHits(store, query, ids, scores, tolerance) {
  if (ids.length === 0) return;
  const hits = await store.similaritySearchVectorWithScore(query, ids.length);
  expect(hits.length === ids.length, `${ids.length} hits expected, got ${hits.length}`);
  for (const [i, [{ id }, score]] of hits.entries()) {
    const wanted = scores[i] ?? NaN;
    expect(isNear(score, wanted, tolerance), `a score of ${wanted} expected for ${ids[i]}, got ${score} for ${id}`);
    const tied = ids.some((other, j) => other === id && isNear(scores[j] ?? NaN, wanted, tolerance));
    // An id that was None in Python is another here.
    expect(ids[i] === null || ids[i] === id || tied, `${ids[i]} expected, got ${id}`);
  }
}

/**
 * @param {Twindex['VectorStore']} VectorStore
 * @param {Record<string, Buffer | undefined>} files
 */
async function checkStore(VectorStore, { 'expected.json': json, ...files }) {
  const expected = /** @type {any} */ (parse(quoted(String(json))));
  const given = /** @type {Record<string, Buffer>} */ (files);
  const store = await VectorStore.fromLangChain(given, null, { normalizeL2: expected.normalize_L2 ?? false });
  try {
    const ids = await store.ids();
    expect(ids.length === expected.ntotal, `${expected.ntotal} documents expected, got ${ids.length}`);
    const documents = await store.getByIds(ids);
    for (const [position, document] of documents.entries()) {
      const key = expected.mapping?.[position][1];
      const doc = expected.mapping ? expected.docs[key] : expected.docs[position];
      const id = expected.mapping ? key : doc.id;
      expect(id === null || document.id === id, `id ${id} expected, got ${document.id}`);
      const text = doc.page_content ?? doc.pageContent;
      expect(document.pageContent === text, `${id}: text ${text} expected, got ${document.pageContent}`);
      const metadata = converted(doc.metadata);
      expect(isSameData(/** @type {any} */ (document.metadata), metadata), `${id}: metadata ${shown(metadata)} expected, got ${shown(document.metadata)}`);
    }
    for (const { embedding, results } of expected.queries ?? []) {
      const [wanted, scores] = [results.map((/** @type {any} */ r) => r.id), results.map((/** @type {any} */ r) => r.score)];
      await checkHits(store, embedding.map(Number), wanted, scores.map(Number), 1e-5);
    }
  } finally {
    store.free();
  }
}

/**
 * JSON whose integers past 64 bits are the text that they are converted to.
 *
 * @param {string} json
 */
const quoted = (json) =>
  json.replaceAll(/(?<=[[,:]\s*)-?\d{19,}(?=\s*[,\]}])/g, (digits) => {
    const number = BigInt(digits);
    const fits = BigInt.asIntN(64, number) === number || BigInt.asUintN(64, number) === number;
    return fits ? digits : `"${digits}"`;
  });

/** @param {unknown} value */
const shown = (value) => JSON.stringify(value, (_, x) => (typeof x === 'bigint' ? `${x}n` : x));

/**
 * What a value of `expected.json`, with Python's types as tags, is to become.
 *
 * @param {any} json
 * @returns {any}
 */
function converted(json) {
  if (Array.isArray(json)) return json.map(converted);
  if (typeof json !== 'object' || json === null) return json;
  switch (json.$py) {
    case undefined:
      return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, converted(value)]));
    case 'bytes':
      return Buffer.from(json.hex, 'hex').toString('base64');
    // NaN and infinities.
    case 'float':
      return null;
    case 'dict':
      return Object.fromEntries(json.items.map((/** @type {any} */ [key, value]) => [String(key), converted(value)]));
    default:
      return converted(json.value);
  }
}
