// @ts-check
/**
 * Twindex and its rivals, each behind the same few functions.
 *
 * All search rows of unit length by the largest inner product, which orders them as the cosine and the squared distance do; each by the
 * metric that suits it best. One thread each. What a package needs that Node does not have is put there before it is loaded.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { LOOP_NAMES, PlainRows } from '../../wasm/bench/loops.mjs';
import { loadPackage } from '../js/lib/package.mjs';

/** @typedef {import('../../wasm/bench/exact.mjs').Hit} Hit */

/**
 * What is searched.
 *
 * @typedef {object} Rows
 * @property {Float32Array<ArrayBuffer>} vectors row after row, each of unit length
 * @property {number} dim
 * @property {{ pageContent: string, id: string, metadata: {} }[]} documents one for each row; the id is the row's number
 */

/**
 * Ready to be asked.
 *
 * @typedef {object} Index
 * @property {(vector: Float32Array<ArrayBuffer>) => any} [query] the query in the form that `search` takes; the vector itself unless
 *   given. It is not timed.
 * @property {(query: any, k: number) => any} search what is timed
 * @property {(answer: any) => Hit[]} hits what was found, best first, with inner products as scores. It is not timed.
 */

/** @typedef {(rows: Rows) => Index | Promise<Index>} Build what is timed: from the caller's rows on */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {'twindex' | 'wasm' | 'native' | 'javascript'} kind
 * @property {boolean} exact whether it promises the true neighbours
 * @property {boolean} [rounded] whether its scores are rounded, or those of vectors that it has rounded, or none
 * @property {string[]} [flags] of the Node that it runs in
 * @property {(packageRoot: string) => Promise<Build>} load loads it, which is not timed; `packageRoot` is where twindex lies
 */

/** What graphs are built and searched with: candidates per row, while building and while searching. */
export const HNSW = { m: 16, efConstruction: 200, ef: 100 };

const SEED = 100;
/** Node 20 has relaxed SIMD behind a flag, and the first of its compilers computes wrongly with it. */
const RELAXED_FLAGS =
  Number.parseInt(process.versions.node, 10) < 22 ? ['--experimental-wasm-relaxed-simd', '--no-liftoff'] : [];

/**
 * A package by its name. What it exports is not known here: some packages have no types, some have wrong ones.
 *
 * @param {string} name
 * @returns {Promise<any>}
 */
const load = (name) => import(name);

/**
 * Rows as vectors of their own.
 *
 * @param {Rows} rows
 */
const split = ({ vectors, dim }) =>
  Array.from({ length: vectors.length / dim }, (_, row) => vectors.subarray(row * dim, (row + 1) * dim));

/** @param {{ neighbors: number[], distances: number[] }} answer of hnswlib, which gives 1 - product */
const hnswlibHits = ({ neighbors, distances }) => neighbors.map((row, i) => ({ row, score: 1 - distances[i] }));

/** @param {{ keys: BigUint64Array, distances: Float32Array }} answer of usearch, which gives 1 - product */
const usearchHits = ({ keys, distances }) =>
  Array.from(keys, (key, i) => ({ row: Number(key), score: 1 - distances[i] }));

/** @param {Float32Array} vector */
const numbersOf = (vector) => Array.from(vector);

/** @param {Float32Array} vector */
const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

/**
 * Runs this where a package takes Node for a browser.
 *
 * @template T
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
async function asBrowser(run) {
  const place = /** @type {any} */ (globalThis);
  const program = /** @type {any} */ (process);
  place.window = globalThis;
  program.type = 'renderer';
  try {
    return await run();
  } finally {
    delete place.window;
    delete program.type;
  }
}

/**
 * Twindex by one of its binaries.
 *
 * @param {string} name
 * @param {string} binary
 * @param {'simd128' | 'relaxed-simd'} simd
 * @param {string[]} flags
 * @returns {Contestant}
 */
const twindex = (name, binary, simd, flags) => ({
  name,
  kind: 'twindex',
  exact: true,
  flags,
  async load(packageRoot) {
    const { init, VectorStore } = await loadPackage(packageRoot);
    await init(pathToFileURL(join(packageRoot, 'dist', binary)));
    return async ({ vectors, dim, documents }) => {
      const store = await VectorStore.fromVectors(vectors, documents, null, { dim, distanceStrategy: 'ip' });
      const info = await store.info();
      if (info.simd !== simd) throw new Error(`${binary} searches by ${info.simd}`);
      return {
        search: (query, k) => store.similaritySearchVectorWithScore(query, k),
        hits: (/** @type {[{ id: string }, number][]} */ answer) => answer.map(([{ id }, score]) => ({ row: Number(id), score })),
      };
    };
  },
});

/** What the others are compared with. */
export const TWINDEX = [
  twindex('twindex', 'twindex.wasm', 'simd128', []),
  twindex('twindex, relaxed SIMD', 'twindex-relaxed.wasm', 'relaxed-simd', RELAXED_FLAGS),
  twindex('twindex/approximate, relaxed SIMD', 'twindex-approximate-relaxed.wasm', 'relaxed-simd', RELAXED_FLAGS),
];

/** @param {string} loop @returns {Contestant} */
const plainLoop = (loop) => ({
  name: `JavaScript loop, ${loop}`,
  kind: 'javascript',
  exact: true,
  load: async () => ({ vectors, dim }) => {
    const rows = new PlainRows(vectors, dim);
    return { search: (query, k) => rows.search(loop, 'ip', query, k), hits: (hits) => hits };
  },
});

/**
 * @param {string} name
 * @param {'f32' | 'i8'} quantization
 * @returns {Contestant}
 */
const usearchGraph = (name, quantization) => ({
  name,
  kind: 'native',
  exact: false,
  rounded: quantization !== 'f32',
  async load() {
    const { Index } = (await load('usearch')).default;
    return ({ vectors, dim }) => {
      const index = new Index({
        metric: 'ip',
        dimensions: dim,
        quantization,
        connectivity: HNSW.m,
        expansion_add: HNSW.efConstruction,
        expansion_search: HNSW.ef,
      });
      index.add(BigUint64Array.from({ length: vectors.length / dim }, (_, row) => BigInt(row)), vectors, 1);
      return { search: (query, k) => index.search(query, k, 1), hits: usearchHits };
    };
  },
});

/** The module of hnswlib-wasm without the part of the package that needs IndexedDB. */
const hnswlibWasm = () =>
  asBrowser(async () => {
    const { default: start } = await load('hnswlib-wasm/dist/hnswlib-317962d7.js');
    return start();
  });

/** @type {Contestant[]} */
export const RIVALS = [
  ...LOOP_NAMES.map(plainLoop),
  {
    name: 'hnswlib-node BruteforceSearch',
    kind: 'native',
    exact: true,
    async load() {
      const { BruteforceSearch } = (await load('hnswlib-node')).default;
      return (rows) => {
        const index = new BruteforceSearch('ip', rows.dim);
        index.initIndex(rows.documents.length);
        split(rows).forEach((vector, row) => index.addPoint(numbersOf(vector), row));
        return { query: numbersOf, search: (query, k) => index.searchKnn(query, k), hits: hnswlibHits };
      };
    },
  },
  {
    name: 'usearch exactSearch',
    kind: 'native',
    exact: true,
    async load() {
      const { exactSearch, MetricKind } = (await load('usearch')).default;
      return ({ vectors, dim }) => ({
        // A copy: it does not see where in its buffer a vector begins.
        query: (vector) => vector.slice(),
        search: (query, k) => exactSearch(vectors, query, dim, k, MetricKind.IP, 1),
        hits: usearchHits,
      });
    },
  },
  {
    name: 'hnswlib-wasm BruteforceSearch',
    kind: 'wasm',
    exact: true,
    async load() {
      const { BruteforceSearch } = await hnswlibWasm();
      return (rows) => {
        const index = new BruteforceSearch('ip', rows.dim);
        index.initIndex(rows.documents.length);
        split(rows).forEach((vector, row) => index.addPoint(vector, row));
        return { search: (query, k) => index.searchKnn(query, k, undefined), hits: hnswlibHits };
      };
    },
  },
  {
    name: 'sqlite-vec-wasm-demo',
    kind: 'wasm',
    exact: true,
    async load() {
      const wasmBinary = await readFile(new URL('sqlite3.wasm', import.meta.resolve('sqlite-vec-wasm-demo')));
      const { oo1 } = await asBrowser(async () => (await load('sqlite-vec-wasm-demo')).default({ wasmBinary, printErr() {} }));
      return (rows) => {
        const db = new oo1.DB(':memory:');
        db.exec(`create virtual table rows using vec0(vector float[${rows.dim}] distance_metric=cosine); begin`);
        const insert = db.prepare('insert into rows(rowid, vector) values (?, ?)');
        split(rows).forEach((vector, row) => insert.bind(1, row).bindAsBlob(2, bytesOf(vector)).stepReset());
        insert.finalize();
        db.exec('commit');
        const select = db.prepare('select rowid, distance from rows where vector match ? and k = ? order by distance');
        return {
          query: bytesOf,
          search(query, k) {
            const found = [];
            for (select.bindAsBlob(1, query).bind(2, k); select.step(); ) found.push(select.get([]));
            select.reset();
            return found;
          },
          hits: (/** @type {[number, number][]} */ found) => found.map(([row, distance]) => ({ row, score: 1 - distance })),
        };
      };
    },
  },
  {
    name: '@duckdb/duckdb-wasm',
    kind: 'wasm',
    exact: true,
    async load() {
      const { default: duckdb } = await load('@duckdb/duckdb-wasm/dist/duckdb-node-blocking.cjs');
      const arrow = await load('apache-arrow');
      const modules = ['mvp', 'eh'].map((name) => {
        const mainModule = fileURLToPath(import.meta.resolve(`@duckdb/duckdb-wasm/dist/duckdb-${name}.wasm`));
        return [name, { mainModule, mainWorker: '' }];
      });
      const db = await duckdb.createDuckDB(Object.fromEntries(modules), new duckdb.VoidLogger(), duckdb.NODE_RUNTIME);
      await db.instantiate(() => {});
      return ({ vectors, dim }) => {
        const length = vectors.length / dim;
        const numbers = arrow.makeData({ type: new arrow.Float32(), length: vectors.length, nullCount: 0, data: vectors });
        const type = new arrow.FixedSizeList(dim, new arrow.Field('item', new arrow.Float32(), false));
        const table = new arrow.Table({
          number: arrow.makeVector(Int32Array.from({ length }, (_, row) => row)),
          vector: new arrow.Vector([arrow.makeData({ type, length, nullCount: 0, child: numbers })]),
        });
        const connection = db.connect();
        // As bytes: it has another copy of arrow, whose classes are not these.
        connection.insertArrowFromIPCStream(arrow.tableToIPC(table, 'stream'), { name: 'vectors' });
        return {
          query: (vector) => `[${vector.join()}]::FLOAT[${dim}]`,
          search: (query, k) =>
            connection
              .query(`select number, array_inner_product(vector, ${query}) as score from vectors order by score desc limit ${k}`)
              .toArray(),
          hits: (found) => found.map((/** @type {any} */ { number, score }) => ({ row: number, score })),
        };
      };
    },
  },
  {
    name: 'pgvector in @electric-sql/pglite',
    kind: 'wasm',
    exact: true,
    async load() {
      const { PGlite } = await load('@electric-sql/pglite');
      const { vector } = await load('@electric-sql/pglite-pgvector');
      const db = await PGlite.create({ extensions: { vector } });
      await db.exec('create extension vector');
      return async (rows) => {
        await db.exec(`create table rows(number int, vector vector(${rows.dim}))`);
        const texts = split(rows).map((vector) => `[${vector.join()}]`);
        for (let at = 0; at < texts.length; at += 1000) {
          const part = texts.slice(at, at + 1000);
          await db.query('insert into rows select number, text::vector from unnest($1::int[], $2::text[]) as part(number, text)', [
            part.map((_, i) => at + i),
            part,
          ]);
        }
        return {
          query: (vector) => `[${vector.join()}]`,
          search: (query, k) => db.query('select number, vector <#> $1 as less from rows order by less limit $2', [query, k]),
          hits: (found) => found.rows.map((/** @type {any} */ { number, less }) => ({ row: number, score: -less })),
        };
      };
    },
  },
  {
    name: '@ruvector/wasm',
    kind: 'wasm',
    exact: true,
    async load() {
      const { default: start, VectorDB } = await load('@ruvector/wasm');
      const module = new URL('ruvector_wasm_bg.wasm', import.meta.resolve('@ruvector/wasm'));
      await start({ module_or_path: await readFile(module) });
      return (rows) => {
        const db = new VectorDB(rows.dim, 'cosine', false);
        split(rows).forEach((vector, row) => db.insert(vector, `${row}`, undefined));
        return {
          search: (query, k) => db.search(query, k),
          hits: (found) => found.map((/** @type {any} */ { id, score }) => ({ row: Number(id), score: 1 - score })),
        };
      };
    },
  },
  {
    name: 'sqlite-vec on better-sqlite3',
    kind: 'native',
    exact: true,
    async load() {
      const { default: Database } = await load('better-sqlite3');
      const extension = await load('sqlite-vec');
      return (rows) => {
        const db = new Database(':memory:');
        extension.load(db);
        db.exec(`create virtual table rows using vec0(vector float[${rows.dim}] distance_metric=cosine); begin`);
        const insert = db.prepare('insert into rows(rowid, vector) values (?, ?)');
        split(rows).forEach((vector, row) => insert.run(BigInt(row), bytesOf(vector)));
        db.exec('commit');
        const select = db.prepare('select rowid as row, distance from rows where vector match ? and k = ? order by distance');
        return {
          query: bytesOf,
          search: (query, k) => select.all(query, k),
          hits: (found) => found.map((/** @type {any} */ { row, distance }) => ({ row, score: 1 - distance })),
        };
      };
    },
  },
  {
    name: 'LangChain MemoryVectorStore',
    kind: 'javascript',
    exact: true,
    async load() {
      const { MemoryVectorStore } = await load('@langchain/classic/vectorstores/memory');
      return async (rows) => {
        const store = new MemoryVectorStore({});
        await store.addVectors(split(rows).map(numbersOf), rows.documents);
        return {
          query: numbersOf,
          search: (query, k) => store.similaritySearchVectorWithScore(query, k),
          hits: (found) => found.map((/** @type {any} */ [{ id }, score]) => ({ row: Number(id), score })),
        };
      };
    },
  },
  {
    name: '@orama/orama',
    kind: 'javascript',
    exact: true,
    async load() {
      const { create, insertMultiple, searchVector } = await load('@orama/orama');
      return async (rows) => {
        const db = create({ schema: { vector: `vector[${rows.dim}]` } });
        await insertMultiple(db, split(rows).map((vector, row) => ({ id: `${row}`, vector: numbersOf(vector) })), 1000);
        return {
          query: numbersOf,
          search: (value, limit) => searchVector(db, { vector: { value, property: 'vector' }, similarity: -1, limit, includeVectors: true }),
          hits: ({ hits }) => hits.map((/** @type {any} */ { id, score }) => ({ row: Number(id), score })),
        };
      };
    },
  },
  usearchGraph('usearch HNSW, 8 bits', 'i8'),
  usearchGraph('usearch HNSW', 'f32'),
  {
    name: 'hnswlib-node HNSW',
    kind: 'native',
    exact: false,
    async load() {
      const { HierarchicalNSW } = (await load('hnswlib-node')).default;
      return (rows) => {
        const index = new HierarchicalNSW('ip', rows.dim);
        index.initIndex(rows.documents.length, HNSW.m, HNSW.efConstruction, SEED);
        index.setEf(HNSW.ef);
        split(rows).forEach((vector, row) => index.addPoint(numbersOf(vector), row));
        return { query: numbersOf, search: (query, k) => index.searchKnn(query, k), hits: hnswlibHits };
      };
    },
  },
  {
    name: 'hnswlib-wasm HNSW',
    kind: 'wasm',
    exact: false,
    async load() {
      const { HierarchicalNSW } = await hnswlibWasm();
      return (rows) => {
        const index = new HierarchicalNSW('ip', rows.dim, '');
        index.initIndex(rows.documents.length, HNSW.m, HNSW.efConstruction, SEED);
        index.setEfSearch(HNSW.ef);
        split(rows).forEach((vector, row) => index.addPoint(vector, row, false));
        return { search: (query, k) => index.searchKnn(query, k, undefined), hits: hnswlibHits };
      };
    },
  },
  {
    name: 'voy-search',
    kind: 'wasm',
    exact: false,
    // It gives the order, and no scores.
    rounded: true,
    async load() {
      // Made for bundlers that know how to import a module of WebAssembly.
      const glue = await load('voy-search/voy_search_bg.js');
      const bytes = await readFile(fileURLToPath(import.meta.resolve('voy-search/voy_search_bg.wasm')));
      const { instance } = await WebAssembly.instantiate(bytes, { './voy_search_bg.js': glue });
      glue.__wbg_set_wasm(instance.exports);
      return (rows) => {
        const embeddings = split(rows).map((vector, row) => ({ id: `${row}`, title: '', url: '', embeddings: numbersOf(vector) }));
        const index = new glue.Voy({ embeddings });
        return {
          search: (query, k) => index.search(query, k),
          hits: ({ neighbors }) => neighbors.map((/** @type {any} */ { id }) => ({ row: Number(id), score: Number.NaN })),
        };
      };
    },
  },
  {
    name: 'edgevec HNSW',
    kind: 'wasm',
    exact: false,
    async load() {
      const { default: start, EdgeVec, EdgeVecConfig } = await load('edgevec/edgevec.js');
      await start({ module_or_path: await readFile(fileURLToPath(import.meta.resolve('edgevec/edgevec_bg.wasm'))) });
      return (rows) => {
        const config = new EdgeVecConfig(rows.dim);
        // Its other metrics give the farthest rows.
        config.metric = 'l2';
        config.m = HNSW.m;
        config.m0 = 2 * HNSW.m;
        config.ef_construction = HNSW.efConstruction;
        config.ef_search = HNSW.ef;
        const index = new EdgeVec(config);
        const rowOf = new Map(split(rows).map((vector, row) => [index.insert(vector), row]));
        return {
          search: (query, k) => index.search(query, k),
          hits: (found) => found.map((/** @type {any} */ { id, score }) => ({ row: rowOf.get(id), score: 1 - score / 2 })),
        };
      };
    },
  },
  {
    name: 'mememo',
    kind: 'javascript',
    exact: false,
    // It keeps six decimals.
    rounded: true,
    async load() {
      const { HNSW: Graph } = await load('mememo');
      return async (rows) => {
        const graph = new Graph({
          distanceFunction: 'cosine-normalized',
          m: HNSW.m,
          efConstruction: HNSW.efConstruction,
          useIndexedDB: false,
          seed: SEED,
        });
        await graph.bulkInsert(rows.documents.map(({ id }) => id), split(rows).map(numbersOf));
        return {
          query: numbersOf,
          search: (query, k) => graph.query(query, k, HNSW.ef),
          hits: ({ keys, distances }) =>
            keys.map((/** @type {string} */ key, /** @type {number} */ i) => ({ row: Number(key), score: 1 - distances[i] })),
        };
      };
    },
  },
];
