// @ts-check
/** Twindex's store, run by the cases' operations. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { compareTexts, get, write } from './json.mjs';
import { strategyOf } from './judge.mjs';
import { accepts, callableName } from './model/filter.mjs';
import { relevanceOf } from './model/model.mjs';
import { Notes } from './model/values.mjs';
import { tableOf } from './oracle.mjs';
import { readKwargs } from './request.mjs';

/** @typedef {import('./answer.mjs').Answer} Answer */
/** @typedef {import('./answer.mjs').Outcome} Outcome */
/** @typedef {import('./json.mjs').Json} Json */
/** @typedef {import('./json.mjs').JsonMap} JsonMap */
/** @typedef {import('./package.mjs').Twindex} Twindex */
/** @typedef {import('./request.mjs').Kwargs} Kwargs */
/** @typedef {import('./package.mjs').VectorStore} VectorStore */
/** @typedef {import('./package.mjs').DistanceStrategy} DistanceStrategy */
/** @typedef {import('./package.mjs').Filter} Filter */
/** @typedef {import('./package.mjs').MmrOptions} MmrOptions */
/** @typedef {import('./package.mjs').SearchOptions} SearchOptions */
/** @typedef {import('./package.mjs').Document} Document */

/**
 * An embedding model that is a table.
 *
 * @param {Map<string, Float32Array>} table
 * @returns {import('./package.mjs').Embeddings}
 */
export function tableEmbeddings(table) {
  /** @param {string} text */
  const lookUp = (text) => {
    const vector = table.get(text);
    if (!vector) throw new Error(`no vector for the text ${write(text)}`);
    return vector;
  };
  return {
    // As most models answer: lists of numbers.
    embedDocuments: async (texts) => texts.map((text) => [...lookUp(text)]),
    embedQuery: async (text) => lookUp(text),
  };
}

/**
 * A filter of a case as Twindex takes it.
 *
 * @param {Json} filter
 * @returns {Filter}
 */
export function filterOf(filter) {
  if (callableName(filter) === null) return /** @type {Filter} */ (filter);
  return ({ metadata }) => accepts(filter, /** @type {JsonMap} */ (metadata), new Notes());
}

/**
 * @param {Kwargs} kwargs
 * @returns {SearchOptions}
 */
function searchOptions({ k, fetchK, scoreThreshold, filter }) {
  return {
    ...(k === null ? {} : { k }),
    ...(fetchK === null ? {} : { fetchK }),
    ...(scoreThreshold === null ? {} : { scoreThreshold }),
    ...(filter === null ? {} : { filter: filterOf(filter) }),
  };
}

/**
 * @param {Kwargs} kwargs
 * @returns {MmrOptions}
 */
function mmrOptions(kwargs) {
  return { ...searchOptions(kwargs), ...(kwargs.lambdaMult === null ? {} : { lambda: kwargs.lambdaMult }) };
}

/** Python's names of the options of a call, and Twindex's. */
const NAMES = /** @type {const} */ ([
  ['k', 'k'],
  ['fetch_k', 'fetchK'],
  ['lambda_mult', 'lambda'],
  ['score_threshold', 'scoreThreshold'],
  ['filter', 'filter'],
]);

/**
 * The options of a retriever's call, where null takes away what the retriever was made with.
 *
 * @param {JsonMap} call
 */
function callOptions(call) {
  const takenAway = NAMES.filter(([python]) => get(call, python) === null).map(([, name]) => [name, null]);
  return { ...mmrOptions(readKwargs(call)), ...Object.fromEntries(takenAway) };
}

/**
 * Vectors as one flat array where they have one length, else as the list they are.
 *
 * @param {Float32Array[]} vectors
 */
function flat(vectors) {
  const dim = vectors[0]?.length ?? 0;
  if (dim === 0 || vectors.some((vector) => vector.length !== dim)) return { vectors };
  const numbers = new Float32Array(dim * vectors.length);
  vectors.forEach((vector, row) => numbers.set(vector, row * dim));
  return { vectors: numbers, dim };
}

/**
 * @param {Document[]} found
 * @returns {Answer}
 */
function documents(found) {
  return { type: 'docs', docs: found.map((document) => toFound(document, null)) };
}

/**
 * @param {[Document, number][]} found
 * @returns {Answer}
 */
function hits(found) {
  return { type: 'docs', docs: found.map(([document, score]) => toFound(document, score)) };
}

/**
 * @param {Document} document
 * @param {number | null} score
 */
function toFound({ id, pageContent, metadata }, score) {
  return { id, text: pageContent, metadata: /** @type {Json} */ (metadata), score };
}

/** A failure of the runner or of a case, not one of the store. */
class BadCase extends Error {}

/** A store with what it takes to make it again. */
export class Subject {
  /**
   * @param {Twindex} twindex
   * @param {import('./oracle.mjs').Setup} setup
   * @param {string[]} caught takes the codes of warnings
   */
  constructor(twindex, setup, caught) {
    this.twindex = twindex;
    this.setup = setup;
    this.embeddings = tableEmbeddings(tableOf(setup));
    /** @param {{ code: string }} warning */
    this.onWarning = ({ code }) => void caught.push(code);
    /** @type {VectorStore | null} */
    this.made = null;
  }

  /** @returns {VectorStore} */
  get store() {
    if (!this.made) throw new BadCase('the store was not made');
    return this.made;
  }

  /**
   * What comes of a call: errors of the store are answers, all others are failures of the package or of the
   * runner.
   *
   * @param {() => Promise<Answer>} call
   * @returns {Promise<Outcome>}
   */
  async outcome(call) {
    try {
      return { answer: await call() };
    } catch (error) {
      if (error instanceof this.twindex.VectorStoreError) {
        return { failure: { code: error.code, message: error.message } };
      }
      if (error instanceof BadCase) return { failure: { code: 'bad_case', message: error.message } };
      const message = error instanceof Error ? (error.stack ?? error.message) : write(error);
      return { failure: { code: 'not_a_vector_store_error', message } };
    }
  }

  /**
   * Builds the store.
   *
   * @returns {Promise<Outcome>}
   */
  build() {
    return this.outcome(async () => {
      const { setup, embeddings, onWarning } = this;
      const { VectorStore } = this.twindex;
      const { relevanceScoreFn: name } = setup;
      const options = {
        distanceStrategy: /** @type {DistanceStrategy} */ (strategyOf(setup).strategy),
        normalizeL2: setup.normalizeL2,
        ...(name === null ? {} : { relevanceScoreFn: relevanceOf(name) }),
        onWarning,
      };
      const ids = setup.docs.map((doc) => doc.id);
      const withIds = { ...options, ...(ids.every((id) => id === null) ? {} : { ids }) };
      const metadatas = setup.docs.map((doc) => doc.metadata);
      switch (setup.kind) {
        case 'empty':
          this.made = await VectorStore.create(embeddings, {
            ...options,
            ...(setup.dim === null ? {} : { dim: setup.dim }),
          });
          break;
        case 'from_documents': {
          const docs = setup.docs.map(({ id, text, metadata }) => ({ id, pageContent: text, metadata }));
          this.made = await VectorStore.fromDocuments(docs, embeddings, options);
          break;
        }
        case 'from_texts': {
          const texts = setup.docs.map((doc) => doc.text);
          this.made = await VectorStore.fromTexts(texts, metadatas, embeddings, withIds);
          break;
        }
        case 'from_embeddings': {
          const docs = setup.docs.map(({ text, metadata }) => ({ pageContent: text, metadata }));
          const { vectors, ...dim } = flat(setup.docs.map((doc) => doc.vector));
          this.made = await VectorStore.fromVectors(vectors, docs, embeddings, { ...withIds, ...dim });
          break;
        }
      }
      return { type: 'done' };
    });
  }

  /**
   * Opens the store from bytes.
   *
   * @param {Uint8Array} bytes
   */
  async open(bytes) {
    this.made = await this.twindex.VectorStore.deserialize(bytes, this.embeddings, {
      onWarning: this.onWarning,
    });
  }

  /** Gives the store's memory back. */
  free() {
    this.made?.free();
    this.made = null;
  }

  /**
   * Runs an operation; merging is {@link Subject.merge}.
   *
   * @param {import('./request.mjs').Request} request
   * @returns {Promise<Outcome>}
   */
  run(request) {
    return this.outcome(async () => {
      switch (request.type) {
        case 'search':
          return this.search(request);
        case 'add':
          return { type: 'ids', ids: await this.add(request) };
        case 'delete':
          return this.delete(request.ids);
        case 'get_by_ids':
          return documents(await this.store.getByIds(request.ids));
        case 'load':
          return this.load(request);
        case 'state':
          return this.state();
        case 'vectors':
          return { type: 'vectors', vectors: await this.vectors() };
        default:
          throw new BadCase('not an operation on one store');
      }
    });
  }

  /**
   * Merges another store into this one; null for this one itself.
   *
   * @param {Subject | null} other
   * @returns {Promise<Outcome>}
   */
  merge(other) {
    return this.outcome(async () => {
      await this.store.mergeFrom((other ?? this).store);
      return { type: 'done' };
    });
  }

  /**
   * @param {import('./request.mjs').SearchRequest} search
   * @returns {Promise<Answer>}
   */
  async search(search) {
    const { route, query, own } = search;
    if (route.by === 'method') {
      return 'text' in query ? this.searchText(search, query.text) : this.searchVector(search, query.vector);
    }
    if (!('text' in query)) throw new BadCase('this search takes a text');
    const searchType = /** @type {import('./package.mjs').SearchType} */ (route.searchType);
    if (route.by === 'search') {
      return documents(await this.store.search(query.text, searchType, mmrOptions(own)));
    }
    const retriever = await this.store.asRetriever({ searchType, searchKwargs: mmrOptions(own) });
    const isBare = Object.keys(route.call).length === 0;
    return documents(
      await (isBare ? retriever.invoke(query.text) : retriever.invoke(query.text, callOptions(route.call))),
    );
  }

  /**
   * @param {import('./request.mjs').SearchRequest} search
   * @param {string} query
   * @returns {Promise<Answer>}
   */
  async searchText({ kind, scored, own }, query) {
    const { store } = this;
    if (kind === 'mmr' && !scored) {
      return documents(await store.maxMarginalRelevanceSearch(query, mmrOptions(own)));
    }
    if (kind === 'mmr') throw new BadCase('no method takes this query');
    const args = searchArguments(own);
    if (kind === 'relevance') return hits(await store.similaritySearchWithRelevanceScores(query, ...args));
    if (scored) return hits(await store.similaritySearchWithScore(query, ...args));
    return documents(await store.similaritySearch(query, ...args));
  }

  /**
   * @param {import('./request.mjs').SearchRequest} search
   * @param {Float32Array} query
   * @returns {Promise<Answer>}
   */
  async searchVector({ kind, scored, own }, query) {
    const { store } = this;
    if (kind === 'relevance') throw new BadCase('no method takes this query');
    if (kind === 'mmr') {
      const options = mmrOptions(own);
      if (scored) return hits(await store.maxMarginalRelevanceSearchWithScoreByVector(query, options));
      return documents(await store.maxMarginalRelevanceSearchByVector(query, options));
    }
    const args = searchArguments(own);
    if (scored) return hits(await store.similaritySearchVectorWithScore(query, ...args));
    return documents(await store.similaritySearchByVector(query, ...args));
  }

  /** @param {import('./request.mjs').AddRequest} request */
  add({ kind, items, metadatas, ids }) {
    const { store } = this;
    const options = ids ? { ids } : {};
    switch (kind) {
      case 'texts':
        return store.addTexts(
          items.map((item) => item.text),
          metadatas,
          options,
        );
      case 'documents':
        return store.addDocuments(
          items.map(({ id, text, metadata }) => ({ id, pageContent: text, metadata })),
          options,
        );
      case 'embeddings': {
        // Metadata that is one too many or too few makes as many documents.
        const docs = (metadatas ?? items.map(() => ({}))).map((metadata, i) => ({
          pageContent: items[i]?.text ?? '',
          metadata,
        }));
        return store.addVectors(
          items.map((item) => [...(item.vector ?? [])]),
          docs,
          options,
        );
      }
    }
  }

  /**
   * @param {string[] | null} ids
   * @returns {Promise<Answer>}
   */
  async delete(ids) {
    const before = await this.store.count();
    const nothing = /** @type {{ ids: string[] }} */ ({});
    const deleted = await this.store.delete(ids ? { ids } : nothing);
    const gone = before - (await this.store.count());
    if (deleted !== gone) throw new Error(`delete says ${deleted}, and ${gone} are gone`);
    return { type: 'true' };
  }

  /**
   * @param {import('./request.mjs').LoadRequest} request
   * @returns {Promise<Answer>}
   */
  async load({ names, distanceStrategy, normalizeL2 }) {
    const options = {
      onWarning: this.onWarning,
      ...(distanceStrategy === null
        ? {}
        : { distanceStrategy: /** @type {DistanceStrategy} */ (distanceStrategy) }),
      ...(normalizeL2 === null ? {} : { normalizeL2 }),
    };
    const loaded = names ? await this.loadByName(names, options) : await this.loadFromBytes(options);
    this.free();
    this.made = loaded;
    return { type: 'done' };
  }

  /**
   * @param {{ save: string, load: string }} names
   * @param {import('./package.mjs').OpenOptions} options
   */
  async loadByName(names, options) {
    const directory = mkdtempSync(join(tmpdir(), 'twindex-case-'));
    try {
      await this.store.save(names.save, { directory });
      return await this.twindex.VectorStore.load(names.load, this.embeddings, { ...options, directory });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** @param {import('./package.mjs').OpenOptions} options */
  async loadFromBytes(options) {
    return this.twindex.VectorStore.deserialize(await this.store.serialize(), this.embeddings, options);
  }

  /** @returns {Promise<Answer>} */
  async state() {
    const { store } = this;
    const ids = await store.ids();
    const { count, dim } = await store.info();
    const iterated = [];
    for await (const document of store) iterated.push(document.id);
    const counts = [count, await store.count()];
    if (write(iterated) !== write(ids) || counts.some((number) => number !== ids.length)) {
      throw new Error(`ids ${write(ids)}, by iteration ${write(iterated)}, counted ${counts.join(' and ')}`);
    }
    const docstoreIds = (await store.getByIds(ids)).map((document) => document.id).sort(compareTexts);
    const ntotal = (await store.getVectors()).length / (dim ?? 1);
    return { type: 'state', state: { ntotal, dim, ids, docstoreIds } };
  }

  async vectors() {
    const { store } = this;
    const [all, ids, { dim }] = [await store.getVectors(), await store.ids(), await store.info()];
    const rows = ids.map((_, row) => all.slice(row * (dim ?? 0), (row + 1) * (dim ?? 0)));
    for (const [row, id] of ids.entries()) {
      const alone = await store.getVector(id);
      if (write([...alone]) !== write([...(rows[row] ?? [])])) {
        throw new Error(`the vector of ${write(id)} alone is ${write([...alone])}`);
      }
    }
    return rows;
  }
}

/**
 * A search's arguments: LangChain.js's `k, filter` where they say it all, else the options.
 *
 * @param {Kwargs} kwargs
 * @returns {[number | SearchOptions | undefined, (Filter | null)?]}
 */
function searchArguments(kwargs) {
  const options = searchOptions(kwargs);
  if (kwargs.fetchK !== null || kwargs.scoreThreshold !== null) return [options];
  return options.filter ? [options.k, options.filter] : [options.k];
}
