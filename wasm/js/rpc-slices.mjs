// @ts-check
// A store in several workers: each has a slice of the documents, one after another in the order of the whole.
// It takes the calls of a store as a worker does, and makes one answer of the slices' answers.
import { VectorStoreError } from './error.mjs';

/** @typedef {import('./index.js').Document} Document */
/** @typedef {import('./index.js').StoreInfo} StoreInfo */
/** @typedef {import('./rpc-client.mjs').Connection} Connection */
/** @typedef {import('./rpc-client.mjs').Functions} Functions */
/** @typedef {import('./rpc-client.mjs').Request} Request */
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
 * @property {unknown} embeddings
 * @property {AbortSignal | null | undefined} signal
 */

/** How many documents a search gives unless told, as in the core. */
const DEFAULT_K = 4;

/** The search with scores, which say how hits of several slices go together, of each that gives fewer. */
const SCORED = new Map([
  ['similaritySearch', 'similaritySearchWithScore'],
  ['similaritySearchByVector', 'similaritySearchVectorWithScore'],
]);

export class Slices {
  #slices;
  #lowerIsBetter;

  /**
   * @param {Slice[]} slices
   * @param {boolean} lowerIsBetter Whether the better scores are the lower ones.
   */
  constructor(slices, lowerIsBetter) {
    this.#slices = slices;
    this.#lowerIsBetter = lowerIsBetter;
  }

  /**
   * Cuts a store that is whole in one worker: its first slice stays there. The store is let go of if it
   * cannot be cut.
   *
   * @param {Slice} whole
   * @param {Cut} cut
   */
  static async of(whole, { others, workers, embeddings, signal }) {
    const slices = [whole];
    try {
      const { kind, distanceStrategy, count } = /** @type {StoreInfo} */ (await ask(whole, 'info'));
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
      return new Slices(slices, distanceStrategy === 'EUCLIDEAN_DISTANCE');
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
        throw unsupported(`${method}: a store in several workers is for plain searches, and does not change`);
    }
  }

  release() {
    for (const { connection, target } of this.#slices) connection.release(target);
  }

  /** @param {object} object */
  adopt(object) {
    for (const { connection, target } of this.#slices) connection.adopt(object, target);
  }

  /** @param {object} object */
  disown(object) {
    for (const { connection } of this.#slices) connection.disown(object);
  }

  /**
   * Makes a call of every slice. The caller's functions that belong to the store are asked once for all.
   *
   * @param {Request} request
   * @returns {Promise<any[]>}
   */
  #each(request) {
    const once = memory();
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
   * The best of several lists: by score, equal scores in the order of the slices, NaN last, as in the core.
   *
   * @param {Hit[][]} lists
   * @param {any} given How many, or options that say it.
   */
  #best(lists, given) {
    const k = Number((typeof given === 'object' ? given?.k : given) ?? DEFAULT_K);
    const key = (/** @type {Hit} */ [, score]) =>
      Number.isNaN(score) ? Infinity : this.#lowerIsBetter ? score : -score;
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

/** Makes functions that ask another, once for each of the things that it is asked about. */
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
