// @ts-check
/**
 * Stores made by the native library and read here, and the other way round: the same bytes, and the same
 * answers to the last bit. `tests/src/exchange.rs` is the other side, and says what is in the files.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { codeOf } from './answer.mjs';
import { compareTexts, get, isMap, parse, write } from './json.mjs';
import { rowOf } from './npy.mjs';
import { readText } from './oracle.mjs';
import { K } from './recall.mjs';
import { documentsOf, readRequest } from './request.mjs';
import { filterOf, Subject, tableEmbeddings } from './subject.mjs';

/** @typedef {import('./json.mjs').Json} Json */
/** @typedef {import('./json.mjs').JsonMap} JsonMap */
/** @typedef {import('./oracle.mjs').Case} Case */
/** @typedef {import('./oracle.mjs').Setup} Setup */
/** @typedef {import('./package.mjs').Twindex} Twindex */
/** @typedef {import('./recall.mjs').Hits} Hits */
/** @typedef {import('./recall.mjs').Pack} Pack */
/** @typedef {import('./package.mjs').VectorStore} VectorStore */
/** @typedef {import('./package.mjs').DistanceStrategy} DistanceStrategy */

/**
 * What came of a case: of making each store by name, of each operation, and of the case's searches of each
 * store in the end, once it is opened from its file.
 *
 * @typedef {object} CaseReport
 * @property {string} name
 * @property {JsonMap} made
 * @property {Json[]} outcomes
 * @property {{ store: string, file: string, searches: Json[] }[]} stores
 */

/**
 * The stores of the pack.
 *
 * @type {{ name: string, distanceStrategy: DistanceStrategy, normalizeL2: boolean }[]}
 */
const STORES = [
  { name: 'l2', distanceStrategy: 'EUCLIDEAN_DISTANCE', normalizeL2: false },
  { name: 'l2-normalized', distanceStrategy: 'EUCLIDEAN_DISTANCE', normalizeL2: true },
  { name: 'ip', distanceStrategy: 'MAX_INNER_PRODUCT', normalizeL2: false },
  { name: 'ip-normalized', distanceStrategy: 'MAX_INNER_PRODUCT', normalizeL2: true },
  { name: 'cosine', distanceStrategy: 'COSINE', normalizeL2: false },
  { name: 'cosine-normalized', distanceStrategy: 'COSINE', normalizeL2: true },
];
/**
 * The smaller encodings that stores without scaling are also written in.
 *
 * @type {import('./package.mjs').VectorEncoding[]}
 */
const SMALL = ['f16', 'i8'];
/** How many queries are asked in the slower ways. */
const FEW = 50;
/** How many candidates MMR chooses from. */
const FETCH_K = 50;

const BITS = new DataView(new ArrayBuffer(4));

/**
 * The bits of a score, which an f32 must hold exactly.
 *
 * @param {number} score
 */
function bitsOf(score) {
  BITS.setFloat32(0, score);
  if (!Object.is(BITS.getFloat32(0), score)) throw new Error(`the score ${score} is no f32`);
  return BITS.getUint32(0);
}

/**
 * @param {Hits} hits
 * @returns {Json}
 */
function exactHits(hits) {
  return hits.map(([{ id }, score]) => [id, bitsOf(score)]);
}

/** The text that stands for a query where only texts can be asked. @param {number} number */
function queryName(number) {
  return `query ${number}`;
}

/** One run: what was made, read, compared and written. */
export class Exchange {
  passed = 0;
  failed = 0;

  /**
   * @param {Twindex} twindex
   * @param {string} folder what the native side wrote, and where `from-js` goes
   * @param {(line: string) => void} print
   */
  constructor(twindex, folder, print) {
    this.twindex = twindex;
    this.folder = folder;
    this.print = print;
  }

  /**
   * @param {string} what
   * @param {boolean} isSame
   */
  count(what, isSame) {
    if (isSame) {
      this.passed += 1;
    } else {
      this.failed += 1;
      this.print(`FAILED ${what} differs`);
    }
  }

  /**
   * @param {string} what
   * @param {Json} ours
   * @param {Json | undefined} theirs
   */
  compare(what, ours, theirs) {
    this.count(what, theirs !== undefined && write(ours) === write(theirs));
  }

  /**
   * @param {string} what
   * @param {Json[]} ours
   * @param {Json | undefined} theirs
   */
  compareAll(what, ours, theirs) {
    const list = Array.isArray(theirs) ? theirs : [];
    this.compare(`${what}: how many there are`, ours.length, list.length);
    ours.forEach((own, number) => this.compare(`${what}: number ${number}`, own, list[number]));
  }

  /** @param {string} name */
  readBytes(name) {
    return readFileSync(join(this.folder, name));
  }

  /**
   * Writes a file for the native side.
   *
   * @param {string} name
   * @param {string | Uint8Array} content
   */
  write(name, content) {
    const path = join(this.folder, 'from-js', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  /**
   * The pack's stores: those that the native side wrote are opened and asked, the same are made here and
   * written.
   *
   * @param {Pack} pack
   */
  async exchangePack(pack) {
    const queries = Array.from({ length: pack.queries.rows }, (_, i) => rowOf(pack.rawQueries, i));
    const embeddings = tableEmbeddings(new Map(queries.map((query, i) => [queryName(i), query])));
    for (const { name, ...settings } of STORES) {
      const made = await pack.store(this.twindex, pack.rawVectors, settings);
      const answers = await this.exchangeStore(name, made, 'f32', pack, queries, embeddings);
      const batch = await made.similaritySearchBatch(pack.rawQueries.data, K);
      this.compareAll(`${name}: all, in a batch`, batch.map(exactHits), answers['all']);
      for (const vectors of settings.normalizeL2 ? [] : SMALL) {
        await this.exchangeStore(`${name}-${vectors}`, made, vectors, pack, queries, embeddings);
      }
      made.free();
    }
  }

  /**
   * Opens and asks one of the native side's stores, and writes the same store as it was made here.
   *
   * @param {string} name
   * @param {VectorStore} made
   * @param {import('./package.mjs').VectorEncoding} vectors how vectors stand in both files
   * @param {Pack} pack
   * @param {Float32Array[]} queries
   * @param {import('./package.mjs').Embeddings} embeddings
   */
  async exchangeStore(name, made, vectors, pack, queries, embeddings) {
    const bytes = this.readBytes(`${name}.twindex`);
    const native = parse(readText(join(this.folder, `${name}.answers.json`)));
    const opened = await this.twindex.VectorStore.deserialize(bytes, embeddings, { onWarning: () => {} });
    const answers = await this.answers(opened, pack, queries);
    this.compare(`${name}: kinds of search`, Object.keys(answers), isMap(native) ? Object.keys(native) : []);
    for (const [search, found] of Object.entries(answers)) {
      this.compareAll(`${name}: ${search}`, found, isMap(native) ? get(native, search) : undefined);
    }
    this.compare(`${name}: how vectors stand there`, (await opened.info()).vectors, vectors);
    this.count(`${name}: bytes written again`, bytes.equals(await opened.serialize()));
    opened.free();
    const own = await made.serialize({ vectors });
    this.count(`${name}: bytes`, bytes.equals(own));
    this.write(`${name}.twindex`, own);
    this.write(`${name}.answers.json`, write(answers));
    this.print(`${name}: compared`);
    return answers;
  }

  /**
   * The answers of a store, by kind of search, those with a filter in a batch: for each query, ids and the
   * bits of scores.
   *
   * @param {VectorStore} store
   * @param {Pack} pack
   * @param {Float32Array[]} queries
   */
  async answers(store, pack, queries) {
    /** @type {[string, Json[]][]} */
    const answers = [];
    /** @param {Float32Array} query */
    const alone = async (query) => exactHits(await store.similaritySearchVectorWithScore(query, K));
    answers.push(['all', await each(queries, alone)]);
    for (const { name, filter } of pack.filters) {
      const batch = await store.similaritySearchBatch(pack.rawQueries.data, {
        k: K,
        filter: filterOf(filter),
      });
      answers.push([`filter ${name}`, batch.map(exactHits)]);
    }
    const few = queries.slice(0, FEW);
    const options = { k: K, fetchK: FETCH_K };
    /** @param {Float32Array} query */
    const diverse = async (query) =>
      exactHits(await store.maxMarginalRelevanceSearchWithScoreByVector(query, options));
    answers.push(['mmr', await each(few, diverse)]);
    const relevant = few.map((_, number) => queryName(number));
    answers.push([
      'relevance',
      await each(relevant, async (query) =>
        exactHits(await store.similaritySearchWithRelevanceScores(query, K)),
      ),
    ]);
    return Object.fromEntries(answers.sort(([a], [b]) => compareTexts(a, b)));
  }

  /**
   * Runs the cases, and opens the stores that the native side's runs left.
   *
   * @param {Case[]} cases
   */
  async exchangeCases(cases) {
    const native = parse(readText(join(this.folder, 'cases.json')));
    const theirs = Array.isArray(native) ? native : [];
    this.compare('how many cases there are', cases.length, theirs.length);
    const reports = [];
    for (const [number, one] of cases.entries()) {
      const { report, files } = await runCase(this.twindex, one, number);
      for (const [place, store] of report.stores.entries()) {
        const own = /** @type {Uint8Array} */ (files[place]);
        const bytes = this.readBytes(store.file);
        this.count(`${one.name}: ${store.file}`, bytes.equals(own));
        this.write(store.file, own);
        store.searches = await searches(this.twindex, one, store.store, bytes);
      }
      this.compareCase(report, theirs[number]);
      reports.push(report);
    }
    this.write('cases.json', write(reports));
  }

  /**
   * @param {CaseReport} report
   * @param {Json | undefined} native
   */
  compareCase(report, native) {
    const { name } = report;
    const theirs = isMap(native ?? null) ? /** @type {JsonMap} */ (native) : {};
    this.compare(`${name}: name`, name, get(theirs, 'name'));
    this.compare(`${name}: what came of making the stores`, report.made, get(theirs, 'made'));
    this.compareAll(`${name}: operations`, report.outcomes, get(theirs, 'outcomes'));
    const found = get(theirs, 'stores');
    const stores = Array.isArray(found) ? found.filter(isMap) : [];
    const named = stores.map((store) => get(store, 'store') ?? null);
    this.compare(
      `${name}: stores`,
      report.stores.map(({ store }) => store),
      named,
    );
    report.stores.forEach(({ store, searches: own }, place) => {
      this.compareAll(`${name}: searches of ${store}`, own, get(stores[place] ?? {}, 'searches'));
    });
  }
}

/**
 * @template T, R
 * @param {T[]} items
 * @param {(item: T) => Promise<R>} run
 */
async function each(items, run) {
  const results = [];
  for (const item of items) results.push(await run(item));
  return results;
}

/**
 * An outcome to be compared to the last bit; of an error, its code.
 *
 * @param {import('./answer.mjs').Outcome} outcome
 * @returns {Json}
 */
function exact(outcome) {
  if ('failure' in outcome) return { error: codeOf(outcome) };
  const { answer } = outcome;
  switch (answer.type) {
    case 'done':
      return { ok: null };
    case 'true':
      return { ok: true };
    case 'ids':
      return { ok: answer.ids };
    case 'docs':
      return { ok: answer.docs.map(({ id, score }) => [id, score === null ? null : bitsOf(score)]) };
    case 'state':
      return { ok: [answer.state.ntotal, answer.state.dim, answer.state.ids] };
    case 'vectors':
      return { ok: answer.vectors.map((row) => Array.from(row, bitsOf)) };
  }
}

/**
 * A setup whose documents all have ids, so that none has to be made.
 *
 * @param {Setup} setup
 * @returns {Setup}
 */
function withIds(setup) {
  const isBlank = setup.docs.every((doc) => !doc.id);
  return {
    ...setup,
    docs: setup.docs.map((doc, number) => ({
      ...doc,
      id: isBlank || doc.id === null ? `made-${number}` : doc.id,
    })),
  };
}

/**
 * A request whose documents to add all have ids; one that is refused for its shape stays as it is.
 *
 * @param {import('./request.mjs').Request} request
 * @param {number} operation
 */
function requestWithIds(request, operation) {
  if (request.type !== 'add') return request;
  const docs = documentsOf(request);
  if (typeof docs === 'string') return request;
  return { ...request, ids: docs.map(({ id }, number) => id ?? `made-${operation}-${number}`) };
}

/**
 * Runs a case, and gives what came of it and the bytes of its stores in the end.
 *
 * @param {Twindex} twindex
 * @param {Case} one
 * @param {number} number
 */
async function runCase(twindex, one, number) {
  /** @type {Map<string, Subject>} */
  const subjects = new Map();
  /** @type {[string, Json][]} */
  const made = [];
  for (const [name, setup] of one.setups) {
    const subject = new Subject(twindex, withIds(setup), []);
    const outcome = await subject.build();
    if ('answer' in outcome) subjects.set(name, subject);
    made.push([name, exact(outcome)]);
  }
  /** @type {Json[]} */
  const outcomes = [];
  for (const [place, op] of one.ops.entries()) {
    const request = requestWithIds(readRequest(op), place);
    const subject = subjects.get(op.store);
    const other = request.type === 'merge' ? subjects.get(request.from) : subject;
    if (!subject || !other || request.type === 'create') outcomes.push(null);
    else if (request.type === 'merge')
      outcomes.push(exact(await subject.merge(other === subject ? null : other)));
    else outcomes.push(exact(await subject.run(request)));
  }
  const files = [];
  /** @type {CaseReport['stores']} */
  const stores = [];
  const sorted = [...subjects].sort(([a], [b]) => compareTexts(a, b));
  for (const [place, [store, subject]] of sorted.entries()) {
    files.push(await subject.store.serialize());
    stores.push({ store, file: `cases/${number}-${place}.twindex`, searches: [] });
    subject.free();
  }
  /** @type {CaseReport} */
  const report = {
    name: one.name,
    made: Object.fromEntries(made.sort(([a], [b]) => compareTexts(a, b))),
    outcomes,
    stores,
  };
  return { report, files };
}

/**
 * What comes of a case's searches of one of its stores, opened from bytes.
 *
 * @param {Twindex} twindex
 * @param {Case} one
 * @param {string} store
 * @param {Uint8Array} bytes
 */
async function searches(twindex, one, store, bytes) {
  const subject = new Subject(twindex, /** @type {Setup} */ (one.setups.get(store)), []);
  await subject.open(bytes);
  const requests = one.ops.filter((op) => op.store === store).map(readRequest);
  const found = await each(
    requests.filter((request) => request.type === 'search'),
    async (request) => exact(await subject.run(request)),
  );
  subject.free();
  return found;
}
