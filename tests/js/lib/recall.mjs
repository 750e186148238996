// @ts-check
/** Whether exact search over a pack like that of WordNet finds the exact neighbours it comes with. */

import { join } from 'node:path';

import { close, isSameData } from './compare.mjs';
import { compareTexts, get, isMap, parse } from './json.mjs';
import { readMatrix, rowOf } from './npy.mjs';
import { readText } from './oracle.mjs';
import { filterOf } from './subject.mjs';

/** @typedef {import('./json.mjs').JsonMap} JsonMap */
/** @typedef {import('./npy.mjs').Matrix<'<f4'>} Vectors */
/** @typedef {import('./package.mjs').VectorStore} VectorStore */
/** @typedef {import('./package.mjs').DistanceStrategy} DistanceStrategy */
/** @typedef {[import('./package.mjs').Document, number][]} Hits */
/** @typedef {{ id: string, text: string, metadata: JsonMap }} Line a document of the corpus */
/** @typedef {{ passed: number, failed: number }} Agreement how many answers agreed, and how many did not */

/**
 * The exact neighbours of every query, best first.
 *
 * @typedef {object} Truth
 * @property {string} name
 * @property {JsonMap | null} filter
 * @property {import('./npy.mjs').Matrix<'<i4'>} rows
 * @property {import('./npy.mjs').Matrix<'<f8'>} scores
 */

/** How many neighbours are compared. */
export const K = 10;

/**
 * The vectors as they were before they were scaled to unit length.
 *
 * @param {Vectors} matrix
 * @param {Vectors} norms
 * @returns {Vectors}
 */
function scaled(matrix, norms) {
  if (norms.rows !== matrix.rows || norms.columns !== 1) {
    throw new Error(`${matrix.rows} lengths expected, got ${norms.rows}`);
  }
  const data = matrix.data.map(
    (x, i) => x * /** @type {number} */ (norms.data[Math.floor(i / matrix.columns)]),
  );
  return { ...matrix, data };
}

/**
 * @param {JsonMap} map
 * @param {string} key
 * @param {string} file
 */
function textOf(map, key, file) {
  const value = get(map, key);
  if (typeof value !== 'string') throw new Error(`${file}: no text under ${key}`);
  return value;
}

/**
 * @param {string} content
 * @returns {Line[]}
 */
function readLines(content) {
  const lines = content.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, i) => {
    const file = `corpus.jsonl, line ${i + 1}`;
    const value = parse(line);
    const metadata = isMap(value) ? (get(value, 'metadata') ?? null) : null;
    if (!isMap(value) || !isMap(metadata)) throw new Error(`${file}: no document`);
    return { id: textOf(value, 'id', file), text: textOf(value, 'text', file), metadata };
  });
}

/** The pack, read. */
export class Pack {
  /** @param {string} folder */
  constructor(folder) {
    this.lines = readLines(readText(join(folder, 'corpus.jsonl')));
    /** @param {string} name */
    const matrix = (name) => readMatrix(join(folder, name), '<f4');
    this.vectors = matrix('embeddings.npy');
    this.queries = matrix('query_embeddings.npy');
    if (this.vectors.rows !== this.lines.length || this.vectors.columns !== this.queries.columns) {
      throw new Error(`${this.lines.length} documents, ${this.vectors.rows} vectors`);
    }
    this.rawVectors = scaled(this.vectors, matrix('norms.npy'));
    this.rawQueries = scaled(this.queries, matrix('query_norms.npy'));
    const filters = parse(readText(join(folder, 'filters.json')));
    if (!isMap(filters)) throw new Error('filters.json: a map expected');
    /** The filters by name, and the files of their neighbours. */
    this.filters = Object.keys(filters)
      .sort(compareTexts)
      .map((name) => {
        const spec = filters[name] ?? null;
        const filter = isMap(spec) ? (get(spec, 'filter') ?? null) : null;
        if (!isMap(spec) || !isMap(filter)) throw new Error(`filters.json: ${name} has no filter`);
        return {
          name,
          filter,
          ids: textOf(spec, 'ids', 'filters.json'),
          scores: textOf(spec, 'cosine', 'filters.json'),
        };
      });
    /** @param {string} name */
    const plain = (name) => this.truth(folder, name, null, `gt_${name}_ids.npy`, `gt_${name}_scores.npy`);
    const filtered = this.filters.map(({ name, filter, ids, scores }) =>
      this.truth(folder, `cosine, filter ${name}`, filter, ids, scores),
    );
    /** @type {{ strategy: DistanceStrategy, raw: boolean, truths: Truth[] }[]} */
    this.parts = [
      { strategy: 'COSINE', raw: false, truths: [plain('cosine'), ...filtered] },
      { strategy: 'EUCLIDEAN_DISTANCE', raw: false, truths: [plain('l2')] },
      { strategy: 'EUCLIDEAN_DISTANCE', raw: true, truths: [plain('raw_l2')] },
      { strategy: 'MAX_INNER_PRODUCT', raw: true, truths: [plain('raw_ip')] },
    ];
  }

  /**
   * @param {string} folder
   * @param {string} name
   * @param {JsonMap | null} filter
   * @param {string} ids
   * @param {string} cosine
   * @returns {Truth}
   */
  truth(folder, name, filter, ids, cosine) {
    const rows = readMatrix(join(folder, ids), '<i4');
    const scores = readMatrix(join(folder, cosine), '<f8');
    const fits =
      rows.rows === this.queries.rows && rows.columns >= K && scores.data.length === rows.data.length;
    if (!fits || !rows.data.every((row) => row >= 0 && row < this.lines.length)) {
      throw new Error(`${ids} does not fit the corpus and the queries`);
    }
    return { name, filter, rows, scores };
  }

  /**
   * A store of the whole corpus.
   *
   * @param {import('./package.mjs').Twindex} twindex
   * @param {Vectors} vectors
   * @param {import('./package.mjs').StoreOptions} options
   * @returns {Promise<VectorStore>}
   */
  store({ VectorStore }, vectors, options) {
    const documents = this.lines.map(({ text, metadata }) => ({ pageContent: text, metadata }));
    const ids = this.lines.map((line) => line.id);
    return VectorStore.fromVectors(vectors.data, documents, null, { ...options, ids, dim: vectors.columns });
  }

  /**
   * Searches with every query, one by one and in a batch, and prints a line for each metric and filter.
   *
   * @param {import('./package.mjs').Twindex} twindex
   * @param {(line: string) => void} print
   * @returns {Promise<Agreement>}
   */
  async check(twindex, print) {
    const all = { passed: 0, failed: 0 };
    for (const { strategy, raw, truths } of this.parts) {
      const [vectors, queries] = raw ? [this.rawVectors, this.rawQueries] : [this.vectors, this.queries];
      const store = await this.store(twindex, vectors, { distanceStrategy: strategy });
      const { simd } = await store.info();
      for (const truth of truths) {
        const [single, batch] = await this.checkTruth(store, queries, truth);
        const of = queries.rows;
        print(`${simd} ${truth.name}: ${single} of ${of} one by one, ${batch} of ${of} in a batch`);
        all.passed += single + batch;
        all.failed += 2 * of - single - batch;
      }
      store.free();
    }
    return all;
  }

  /**
   * How many queries got the exact answer: one by one, and in a batch.
   *
   * @param {VectorStore} store
   * @param {Vectors} queries
   * @param {Truth} truth
   */
  async checkTruth(store, queries, truth) {
    const options = { k: K, ...(truth.filter ? { filter: filterOf(truth.filter) } : {}) };
    let single = 0;
    for (let i = 0; i < queries.rows; i += 1) {
      const found = await store.similaritySearchVectorWithScore(rowOf(queries, i), options);
      single += agrees(this.lines, truth, i, found) ? 1 : 0;
    }
    const found = await store.similaritySearchBatch(queries.data, options);
    if (found.length !== queries.rows) throw new Error(`${found.length} answers for ${queries.rows} queries`);
    const batch = found.filter((hits, i) => agrees(this.lines, truth, i, hits)).length;
    return /** @type {const} */ ([single, batch]);
  }
}

/**
 * Whether the documents found are the nearest, in order, as they were stored and with the right scores.
 *
 * @param {Line[]} lines the corpus
 * @param {Truth} truth
 * @param {number} query
 * @param {Hits} found
 */
export function agrees(lines, truth, query, found) {
  const [rows, scores] = [rowOf(truth.rows, query), rowOf(truth.scores, query)];
  return (
    found.length === K &&
    found.every(([document, score], i) => {
      const line = lines[rows[i] ?? -1];
      const isSame = line !== undefined && document.id === line.id && document.pageContent === line.text;
      return isSame && isSameData(document.metadata, line.metadata) && close(score, scores[i] ?? NaN);
    })
  );
}
