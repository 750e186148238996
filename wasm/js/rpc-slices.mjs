// @ts-check
// A store in several workers: each has a slice of the documents, one after another in the order of the whole.
// It takes the calls of a store as a worker does, and makes one answer of the slices' answers.
import { VectorStoreError } from './error.mjs';
import { taken } from './rpc-client.mjs';

/** @typedef {import('./index.js').Document} Document */
/** @typedef {import('./index.js').MmrOptions} MmrOptions */
/** @typedef {import('./index.js').RetrieverOptions} RetrieverOptions */
/** @typedef {import('./index.js').StoreInfo} StoreInfo */
/** @typedef {import('./rpc-client.mjs').Connection} Connection */
/** @typedef {import('./rpc-client.mjs').Functions} Functions */
/** @typedef {import('./rpc-client.mjs').Request} Request */
/** @typedef {import('./rpc-slice.mjs').Found} Found */
/** @typedef {[Document, number]} Hit */

/**
 * A store in one worker, with the functions that its calls may come back to.
 *
 * @typedef {{ connection: Connection, target: number, functions: Functions }} Slice
 */

/**
 * How a whole store is cut.
 *
 * @typedef {object} Cut
 * @property {(count: number) => Connection[]} others Gives so many workers beside the one that has the whole.
 * @property {number} workers How many there are to be.
 * @property {any} embeddings
 * @property {import('./index.js').StoreOptions & import('./index.js').Cancellable} options What the whole was made with.
 */

/**
 * A search that chooses among the best: its arguments, the retriever's options if one makes it, and what
 * remembers the caller's functions' answers.
 *
 * @typedef {{ args: unknown[], retriever: RetrieverOptions | undefined, once: Memory }} Asked
 */

/**
 * What all slices are made with.
 *
 * @typedef {{ embeddings: any, settings: import('./index.js').StoreOptions }} Kind
 */

/** How many documents a search gives unless told, and how many MMR chooses from, as in the core. */
const DEFAULT_K = 4;
const DEFAULT_FETCH_K = 20;

/** The target of calls of the store itself. */
export const WHOLE = 0;

/** @type {Found} */
const NOTHING = { documents: [], vectors: [] };

/** The search with scores, which say how hits of several slices go together, of each that gives fewer. */
const SCORED = new Map([
  ['similaritySearch', 'similaritySearchWithScore'],
  ['similaritySearchByVector', 'similaritySearchVectorWithScore'],
]);

export class Slices {
  #slices;
  #kind;

  /**
   * @param {Slice[]} slices
   * @param {Kind} kind
   */
  constructor(slices, kind) {
    this.#slices = slices;
    this.#kind = kind;
  }

  /**
   * Cuts a store that is whole in one worker: its first slice stays there. The store is let go of if it
   * cannot be cut.
   *
   * @param {Slice} whole
   * @param {Cut} cut
   */
  static async of(whole, { others, workers, embeddings, options }) {
    const { signal, onWarning, relevanceScoreFn } = options;
    const slices = [whole];
    try {
      const info = /** @type {StoreInfo} */ (await ask(whole, 'info'));
      const { kind, distanceStrategy, normalizeL2, count } = info;
      if (kind !== 'Flat') throw unsupported(`an index of kind ${kind} cannot be held in several workers`);
      const ids = /** @type {string[]} */ (await ask(whole, 'ids'));
      const connections = others(Math.max(1, Math.min(workers, count)) - 1);
      if (connections.length > 0) {
        const bytes = await ask(whole, 'serialize');
        const starts = Array.from({ length: connections.length + 2 }, (_, i) =>
          Math.floor((count * i) / (connections.length + 1)),
        );
        for (const [i, connection] of connections.entries()) {
          const outside = [...ids.slice(0, starts[i + 1]), ...ids.slice(starts[i + 2])];
          const slice = await without(whole.connection, bytes, outside, signal);
          slices.push(await opened(connection, slice, embeddings, signal));
        }
        await ask(whole, 'delete', [{ ids: ids.slice(starts[1]) }]);
      }
      signal?.throwIfAborted();
      const dim = info.dim ?? undefined;
      const settings = { distanceStrategy, normalizeL2, dim, relevanceScoreFn, onWarning };
      return new Slices(slices, { embeddings, settings });
    } catch (error) {
      for (const { connection, target } of slices) connection.release(target);
      throw error;
    }
  }

  /**
   * Makes a call. What it is given is taken in before this returns.
   *
   * @param {Request} request
   * @returns {Promise<any>}
   */
  async call(request) {
    const { method, args } = request;
    switch (method) {
      case 'similaritySearch':
      case 'similaritySearchByVector':
        return (await this.#search(request)).map(([document]) => document);
      case 'similaritySearchWithScore':
      case 'similaritySearchVectorWithScore':
        return this.#search(request);
      case 'similaritySearchBatch': {
        const [first, ...rest] = /** @type {Hit[][][]} */ (await this.#each(request));
        return first.map((hits, query) =>
          this.#best([hits, ...rest.map((answers) => answers[query])], args[1]),
        );
      }
      case 'similaritySearchWithRelevanceScores':
      case 'maxMarginalRelevanceSearch':
      case 'maxMarginalRelevanceSearchByVector':
      case 'maxMarginalRelevanceSearchWithScoreByVector':
      case 'search':
        return this.#choose(request);
      case 'asRetriever': {
        const [retriever] = taken([args[0] ?? {}]);
        await this.#searchFew(request, NOTHING, { retriever });
        return retriever;
      }
      case 'invoke':
        return this.#choose(request, /** @type {any} */ (request.target));
      case 'getByIds': {
        const ids = [.../** @type {Iterable<string>} */ (isIterable(args[0]) ? args[0] : [])];
        const found = /** @type {Document[][]} */ (await this.#each(request)).flat();
        const byId = new Map(found.map((document) => [document.id, document]));
        return ids.flatMap((id) => byId.get(id) ?? []);
      }
      case 'count':
        return sum(await this.#each(request));
      case 'ids':
        return (await this.#each(request)).flat();
      case 'getVector':
        return this.#only(request);
      case 'getVectors':
        return joined(await this.#each(request));
      case 'info':
        return this.#info(await this.#each(request));
      case 'importReport':
        return ask(this.#slices[0], method);
      case 'serialize':
      case 'vectorLoss':
      case 'save':
      case 'toLangChain':
        return this.#ofWhole(request);
      default:
        throw unsupported(`${method}: a store in several workers does not change`);
    }
  }

  release() {
    for (const { connection, target } of this.#slices) connection.release(target);
  }

  /**
   * @param {object} object
   * @param {unknown} target
   */
  adopt(object, target) {
    // A retriever is its options, which go by themselves.
    if (target !== WHOLE) return;
    for (const { connection, target: slice } of this.#slices) connection.adopt(object, slice);
  }

  /** @param {object} object */
  disown(object) {
    for (const { connection } of this.#slices) connection.disown(object);
  }

  /**
   * Makes a call of every slice. The caller's functions that belong to the store are asked once for all.
   *
   * @param {Request} request
   * @param {Memory} [once]
   * @returns {Promise<any[]>}
   */
  #each(request, once = memory()) {
    return Promise.all(
      this.#slices.map(({ connection, target, functions }) => {
        const known = [new Map([...functions].map(([id, asked]) => [id, once(asked)]))];
        return connection.call({ ...request, target, known });
      }),
    );
  }

  /**
   * @param {Request} request
   * @returns {Promise<Hit[]>}
   */
  async #search(request) {
    const method = SCORED.get(request.method) ?? request.method;
    return this.#best(await this.#each({ ...request, method }), request.args[1]);
  }

  /**
   * A search that does more with the best than to give them: it is made again among them alone, which brings
   * them together in the first worker.
   *
   * @param {Request} request
   * @param {RetrieverOptions} [retriever]
   */
  async #choose(request, retriever) {
    const once = memory();
    const [args, own] = taken([request.args, retriever]);
    const asked = { args, retriever: own, once };
    const call = { ...request, args };
    let found;
    try {
      found = await this.#candidates(call, asked);
    } catch (reason) {
      // What is wrong with the call is said first, in words for that call.
      await this.#searchFew(call, NOTHING, asked, () => {});
      throw reason;
    }
    // A predicate has accepted all of these.
    const [passed, passing] = taken([args, own], () => ({}));
    return this.#searchFew(call, found, { args: passed, retriever: passing, once });
  }

  /**
   * The best for a search, as many as it chooses from.
   *
   * @param {Request} request
   * @param {Asked} asked
   * @returns {Promise<Found>}
   */
  async #candidates(request, { args, retriever, once }) {
    const { method } = request;
    const { k, ...options } = wanted(method, args, retriever);
    const search = method.includes('ByVector') ? 'similaritySearchVectorWithScore' : 'similaritySearchWithScore';
    const lists = /** @type {{ hits: Hit[], vectors: Float32Array[] }[]} */ (
      await this.#each({ ...request, method: 'candidates', args: [search, args[0], { k, ...options }] }, once)
    );
    const vectors = new Map(lists.flatMap((list) => list.hits.map(([{ id }], i) => [id, list.vectors[i]])));
    const documents = this.#best(lists.map(({ hits }) => hits), k).map(([document]) => document);
    return { documents, vectors: documents.map(({ id }) => /** @type {Float32Array} */ (vectors.get(id))) };
  }

  /**
   * Makes a search among a few documents alone.
   *
   * @param {Request} request
   * @param {Found} found
   * @param {Partial<Asked>} asked
   * @param {import('./index.js').StoreOptions['onWarning']} [onWarning]
   */
  #searchFew(request, found, { args, retriever, once = memory() }, onWarning = this.#kind.settings.onWarning) {
    const { embeddings, settings } = this.#kind;
    const asking = embeddings && { ...embeddings, embedQuery: once(embeddings.embedQuery) };
    return this.#slices[0].connection.call({
      ...request,
      target: 0,
      method: 'searchFew',
      args: [{ ...settings, onWarning }, asking, found, retriever, args && request.method, ...(args ?? [])],
    });
  }

  /**
   * The best of several lists: by score, equal scores in the order of the slices, NaN last, as in the core.
   *
   * @param {Hit[][]} lists
   * @param {any} given How many, or options that say it.
   */
  #best(lists, given) {
    const k = Number((typeof given === 'object' ? given?.k : given) ?? DEFAULT_K);
    const lowerIsBetter = this.#kind.settings.distanceStrategy === 'EUCLIDEAN_DISTANCE';
    const key = (/** @type {Hit} */ [, score]) =>
      Number.isNaN(score) ? Infinity : lowerIsBetter ? score : -score;
    // Infinity less itself is no number, and would be no order.
    const compare = (/** @type {Hit} */ a, /** @type {Hit} */ b) =>
      key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
    return lists.flat().sort(compare).slice(0, k);
  }

  /**
   * The answer of the one slice that has one.
   *
   * @param {Request} request
   */
  async #only(request) {
    const outcomes = await Promise.allSettled(
      this.#slices.map(({ connection, target }) => connection.call({ ...request, target })),
    );
    const answer = outcomes.find((outcome) => outcome.status === 'fulfilled');
    if (answer) return answer.value;
    const reasons = outcomes.map((outcome) => /** @type {PromiseRejectedResult} */ (outcome).reason);
    throw reasons.find(({ code }) => code === 'worker_failed') ?? reasons[0];
  }

  /** @param {StoreInfo[]} infos @returns {StoreInfo} */
  #info(infos) {
    return {
      ...infos[0],
      count: sum(infos.map(({ count }) => count)),
      vectorBytes: sum(infos.map(({ vectorBytes }) => vectorBytes)),
      documentBytes: sum(infos.map(({ documentBytes }) => documentBytes)),
    };
  }

  /**
   * Makes a call of the whole, which is put together for it in the first worker.
   *
   * @param {Request} request
   */
  async #ofWhole(request) {
    const { connection } = this.#slices[0];
    /** @type {number[]} */
    const stores = [];
    try {
      for (const bytes of await Promise.all(this.#slices.map((slice) => ask(slice, 'serialize')))) {
        stores.push(await connection.call({ method: 'deserialize', args: [bytes], take: true }));
      }
      const [whole, ...rest] = stores;
      for (const handle of rest) {
        const other = {};
        const represent = (/** @type {object} */ value) =>
          value === other ? { kind: /** @type {const} */ ('store'), handle } : undefined;
        await connection.call({ target: whole, method: 'mergeFrom', args: [other], represent });
      }
      return await connection.call({ ...request, target: whole });
    } finally {
      for (const store of stores) connection.release(store);
    }
  }
}

/** @param {string} message */
const unsupported = (message) => new VectorStoreError(message, 'unsupported_by_index');

/**
 * @param {Slice} slice
 * @param {string} method
 * @param {unknown[]} [args]
 */
const ask = ({ connection, target, functions }, method, args = []) =>
  connection.call({ target, method, args, known: [functions] });

/**
 * The bytes of a store without some of its documents.
 *
 * @param {Connection} connection
 * @param {unknown} bytes
 * @param {string[]} ids
 * @param {AbortSignal | null | undefined} signal
 */
async function without(connection, bytes, ids, signal) {
  const slice = await opened(connection, bytes, undefined, signal);
  try {
    await ask(slice, 'delete', [{ ids }]);
    return await ask(slice, 'serialize');
  } finally {
    connection.release(slice.target);
  }
}

/**
 * @param {Connection} connection
 * @param {unknown} bytes
 * @param {unknown} embeddings
 * @param {AbortSignal | null | undefined} signal
 * @returns {Promise<Slice>}
 */
async function opened(connection, bytes, embeddings, signal) {
  /** @type {Functions} */
  const functions = new Map();
  const args = [bytes, embeddings, { signal: signal ?? undefined }];
  return { connection, target: await connection.call({ method: 'deserialize', args, functions }), functions };
}

/**
 * Which documents a search by choice chooses from.
 *
 * @param {string} method
 * @param {any[]} args
 * @param {any} retriever
 * @returns {import('./index.js').SearchOptions}
 */
function wanted(method, args, retriever) {
  const last = args[method === 'search' ? 2 : 1];
  const own = Object.entries(typeof last === 'object' ? (last ?? {}) : { k: last });
  // Null takes away what a retriever was made with, undefined does not.
  const options = { ...retriever?.searchKwargs, ...Object.fromEntries(own.filter(([, value]) => value !== undefined)) };
  const type = method === 'search' ? args[1] : (retriever?.searchType ?? (method.startsWith('max') ? 'mmr' : undefined));
  const { k, fetchK, filter, recall, signal } = options;
  return {
    k: type === 'mmr' ? (fetchK ?? DEFAULT_FETCH_K) : (k ?? DEFAULT_K),
    filter: filter ?? (method === 'similaritySearchWithRelevanceScores' ? args[2] : undefined),
    recall,
    signal,
  };
}

/**
 * Makes functions that ask another, once for each of the things that it is asked about.
 *
 * @typedef {ReturnType<typeof memory>} Memory
 */
function memory() {
  /** @type {Map<Function, Map<string, Promise<unknown>>>} */
  const answers = new Map();
  return (/** @type {Function} */ asked) => {
    const known = answers.get(asked) ?? new Map();
    answers.set(asked, known);
    return (/** @type {unknown[]} */ ...args) => {
      const key = JSON.stringify(args);
      if (!known.has(key)) known.set(key, (async () => asked(...args))());
      return known.get(key);
    };
  };
}

/** @param {unknown} value */
const isIterable = (value) => typeof value === 'object' && value !== null && Symbol.iterator in value;

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** @param {Float32Array<ArrayBuffer>[]} arrays */
function joined(arrays) {
  const whole = new Float32Array(sum(arrays.map(({ length }) => length)));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}
