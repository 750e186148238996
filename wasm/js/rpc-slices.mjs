// @ts-check
// A store in several workers: each has slices of the documents, which together are in the order of the whole.
// It takes the calls of a store as a worker does, and makes one answer of the slices' answers.
//
// What is posted to all slices at once finds them all in the same state: messages to a worker keep their
// order. So calls that read need not wait for each other. One that changes makes ready what may fail in a
// store of its own, and goes in alone; those that are made meanwhile wait for it.
import { VectorStoreError } from './error.mjs';
import { isPlainObject } from './glue-support.mjs';
import { SCORED, best, unfiltered, wanted } from './rpc-best.mjs';
import { taken } from './rpc-client.mjs';
import { ask, cut } from './rpc-cut.mjs';

/** @typedef {import('./index.js').Document} Document */
/** @typedef {import('./index.js').RetrieverOptions} RetrieverOptions */
/** @typedef {import('./index.js').StoreInfo} StoreInfo */
/** @typedef {import('./index.js').StoreOptions} StoreOptions */
/** @typedef {import('./rpc-best.mjs').Hit} Hit */
/** @typedef {import('./rpc-client.mjs').Connection} Connection */
/** @typedef {import('./rpc-client.mjs').Functions} Functions */
/** @typedef {import('./rpc-client.mjs').Request} Request */
/** @typedef {import('./rpc-cut.mjs').Slice} Slice */
/** @typedef {import('./rpc-cut.mjs').Store} Store */
/** @typedef {import('./rpc-slice.mjs').Found} Found */

/**
 * What a store is made with, and where.
 *
 * @typedef {object} Making
 * @property {(count: number) => Connection[]} others Gives so many workers beside the one that has the whole.
 * @property {number} workers How many there are to be.
 * @property {any} embeddings
 * @property {StoreOptions & import('./index.js').Cancellable} options
 */

/**
 * A call among the best: its arguments, the options of the retriever that makes it, and what remembers the
 * answers of the caller's functions.
 *
 * @typedef {{ args: unknown[], retriever?: RetrieverOptions | undefined, once: Memory }} Asked
 */

/** The target of calls of the store itself. */
export const WHOLE = 0;

/** @type {Found} */
const NOTHING = { documents: [], vectors: [] };

const LATE = new Error('the store has changed meanwhile');

const forgotten = new FinalizationRegistry((/** @type {Slices} */ slices) => slices.release());

export class Slices {
  #slices;
  #workers;
  #embeddings;
  #settings;
  #encoding;
  /** Ends when all changes have that there are so far. @type {Promise<unknown>} */
  #changes = Promise.resolve();
  #changing = 0;
  /** How many changes there were. */
  #version = 0;
  /** @type {Set<Partial<Request>>} */
  #underWay = new Set();
  #isReleased = false;

  /**
   * @param {Slice[]} slices
   * @param {StoreInfo} info
   * @param {Making} making
   */
  constructor(slices, info, { others, workers, embeddings, options }) {
    const { distanceStrategy, normalizeL2, dim, vectors } = info;
    const { relevanceScoreFn, onWarning } = options;
    this.#slices = slices;
    this.#workers = () => [slices[0].connection, ...others(workers - 1)];
    this.#embeddings = embeddings;
    this.#encoding = vectors;
    this.#settings = { distanceStrategy, normalizeL2, dim: dim ?? undefined, relevanceScoreFn, onWarning };
  }

  /**
   * Cuts a store that is whole in one worker: its first slice stays there. The store is let go of if it
   * cannot be cut.
   *
   * @param {Store} whole
   * @param {Making} making
   */
  static async of(whole, making) {
    const { others, workers, embeddings, options } = making;
    const info = /** @type {StoreInfo} */ (await ask(whole, 'info'));
    const connections = others(Math.max(1, Math.min(workers, info.count)) - 1);
    return new Slices(await cut(whole, info, connections, embeddings, options.signal), info, making);
  }

  /**
   * Makes a call. What it is given is taken in before this returns.
   *
   * @param {Request} request
   * @returns {Promise<any>}
   */
  call(request) {
    return this.#during(request, () => {
      switch (request.method) {
        case 'addTexts':
        case 'addDocuments':
        case 'upsert':
          return this.#add(request, true);
        case 'addVectors':
        case 'upsertVectors':
          return this.#add(request, false);
        case 'delete':
          return this.#delete({ ...request, args: taken(request.args) });
        default:
          return this.#read({ ...request, args: taken(request.args) });
      }
    });
  }

  /**
   * Adds what another store has; this one, if there is none.
   *
   * @param {object} owner
   * @param {Promise<Uint8Array[]>} [bytes] Of the other's slices.
   */
  merge(owner, bytes) {
    bytes?.catch(() => {});
    return this.#during({ owner }, () =>
      this.#alone(async () => {
        if (!bytes) return mergeInto(this.#slices[0], this.#slices[0]);
        const request = { method: 'merged', args: await bytes, take: true };
        await this.#commit(await this.#incoming(request), false);
      }),
    );
  }

  /**
   * Puts the whole together in the first worker, for as long as it is used there.
   *
   * @template T
   * @param {object} owner
   * @param {(whole: number) => Promise<T>} use
   */
  withWhole(owner, use) {
    return this.#during({ owner }, () => this.#whole(this.call({ method: 'bytes', args: [] }), use));
  }

  /** Lets go of the slices, once the calls have ended that were made before. */
  release() {
    this.#isReleased = true;
    this.#freeIfUnused();
  }

  /**
   * @param {object} object
   * @param {unknown} target
   */
  adopt(object, target) {
    // A retriever is its options, which go by themselves.
    if (target === WHOLE) forgotten.register(object, this, object);
  }

  /** @param {object} object */
  disown(object) {
    forgotten.unregister(object);
  }

  /**
   * @template T
   * @param {Partial<Request>} request
   * @param {() => Promise<T>} work
   */
  async #during(request, work) {
    this.#underWay.add(request);
    try {
      return await work();
    } finally {
      this.#underWay.delete(request);
      this.#freeIfUnused();
    }
  }

  #freeIfUnused() {
    if (!this.#isReleased || this.#underWay.size > 0) return;
    for (const { connection, target } of this.#slices) connection.release(target);
  }

  /**
   * @param {Request} request
   * @returns {Promise<any>}
   */
  async #read(request) {
    const { method, args } = request;
    if (this.#changing > 0) await this.#changes;
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
        const retriever = /** @type {RetrieverOptions} */ (args[0] ?? {});
        await this.#callFew({ ...request, method: '' }, NOTHING, { args: [], retriever, once: memory() });
        // Its signal comes with the calls that it is for.
        return { ...retriever, searchKwargs: { ...retriever.searchKwargs, signal: undefined } };
      }
      case 'invoke':
        return this.#choose(request, /** @type {any} */ (request.target));
      case 'getByIds': {
        const found = /** @type {Document[][]} */ (await this.#each(request)).flat();
        const byId = new Map(found.map((document) => [document.id, document]));
        return /** @type {string[]} */ (args[0]).flatMap((id) => byId.get(id) ?? []);
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
      case 'bytes':
        return this.#bytes();
      case 'serialize':
        return this.#ofWhole(request, 0);
      case 'save':
        return this.#ofWhole(request, 1);
      case 'vectorLoss':
      case 'toLangChain':
        return this.#ofWhole(request);
      case 'importReport':
      case 'setSearchParameter':
        // The first says where the store came from, and all alike that they have no parameters.
        return this.#slices[0].connection.call({ ...request, target: this.#slices[0].target });
      default:
        throw new VectorStoreError(`${method}: not of a store in several workers`, 'unsupported_by_index');
    }
  }

  /**
   * Makes a call of every slice. The caller's functions that belong to the store are asked once for all.
   *
   * @param {Request} request
   * @param {Memory} [once]
   * @returns {Promise<any[]>}
   */
  async #each(request, once = memory()) {
    for (;;) {
      const version = this.#version;
      let isLate = false;
      // Others may change the store while a model embeds a query, some slices before they go on and some after.
      const inTime = (/** @type {Function} */ asked) => async (/** @type {unknown[]} */ ...args) => {
        const answer = await asked(...args);
        isLate ||= version !== this.#version;
        if (isLate) throw LATE;
        return answer;
      };
      const answers = Promise.all(
        this.#slices.map(({ connection, target, functions }) => {
          const known = [new Map([...functions].map(([id, asked]) => [id, inTime(once(asked))]))];
          return connection.call({ ...request, target, known });
        }),
      );
      await answers.catch(() => {});
      if (!isLate) return answers;
      await this.#changes;
    }
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
    const asked = { args: request.args, retriever, once: memory() };
    let found;
    try {
      found = await this.#candidates(request, asked);
    } catch (reason) {
      // What is wrong with the call is said first, in words for that call.
      await this.#callFew(request, NOTHING, asked, () => {});
      throw reason;
    }
    // A predicate has accepted all of these.
    const [query, options, ...filter] = request.args;
    const isPredicate = typeof filter[0] === 'function' && request.method !== 'search';
    const args = [query, unfiltered(options), ...(isPredicate ? [] : filter.map(unfiltered))];
    const passing = retriever && { ...retriever, searchKwargs: unfiltered(retriever.searchKwargs) };
    return this.#callFew(request, found, { ...asked, args, retriever: passing });
  }

  /**
   * The best for a search, as many as it chooses from.
   *
   * @param {Request} request
   * @param {Asked} asked
   * @returns {Promise<Found>}
   */
  async #candidates(request, { args, retriever, once }) {
    const { k, ...options } = wanted(request.method, args, retriever);
    const isVector = request.method.includes('ByVector');
    const search = isVector ? 'similaritySearchVectorWithScore' : 'similaritySearchWithScore';
    const lists = /** @type {{ hits: Hit[], vectors: Float32Array[] }[]} */ (
      await this.#each({ ...request, method: 'candidates', args: [search, args[0], { k, ...options }] }, once)
    );
    const vectors = new Map(lists.flatMap((list) => list.hits.map(([{ id }], i) => [id, list.vectors[i]])));
    const documents = this.#best(lists.map(({ hits }) => hits), k).map(([document]) => document);
    return { documents, vectors: documents.map(({ id }) => /** @type {Float32Array} */ (vectors.get(id))) };
  }

  /**
   * Makes a call of a few documents alone, which only sees whether they can be a store if it has no name.
   *
   * @param {Request} request
   * @param {Found} found
   * @param {Asked} asked
   * @param {StoreOptions['onWarning']} [onWarning]
   */
  #callFew(request, found, { args, retriever, once }, onWarning = this.#settings.onWarning) {
    const embeddings = this.#embeddings;
    const asking = embeddings && { ...embeddings, embedQuery: once(embeddings.embedQuery) };
    return this.#slices[0].connection.call({
      ...request,
      target: WHOLE,
      method: 'callFew',
      args: [{ ...this.#settings, onWarning }, asking, found, retriever, request.method, ...args],
    });
  }

  /**
   * @param {Hit[][]} lists
   * @param {unknown} given
   */
  #best(lists, given) {
    return best(lists, given, this.#settings.distanceStrategy === 'EUCLIDEAN_DISTANCE');
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

  /** @returns {Promise<Uint8Array[]>} Those of all slices, in which vectors lose nothing. */
  #bytes() {
    return this.#each({ method: 'serialize', args: [{ vectors: 'f32' }] });
  }

  /**
   * Makes a call of the whole. How vectors stand in what it writes is as in what the store was opened from
   * unless told.
   *
   * @param {Request} request
   * @param {number} [optionsAt] Where it may be told.
   */
  #ofWhole(request, optionsAt) {
    const args = [...request.args];
    if (optionsAt !== undefined) args[optionsAt] = this.#written(args[optionsAt]);
    return this.#whole(this.#bytes(), (target, connection) => connection.call({ ...request, args, target }));
  }

  /**
   * How something is written.
   *
   * @param {any} options
   */
  #written(options) {
    try {
      const isNothing = options === undefined || options === null;
      if (isNothing || (isPlainObject(options) && (options.vectors ?? undefined) === undefined))
        return { ...options, vectors: this.#encoding };
    } catch {
      // Left for the store to refuse.
    }
    return options;
  }

  /**
   * @template T
   * @param {Promise<Uint8Array[]>} bytes
   * @param {(whole: number, connection: Connection) => Promise<T>} use
   * @returns {Promise<T>}
   */
  async #whole(bytes, use) {
    const { connection } = this.#slices[0];
    const args = [null, this.#makes(), ...(await bytes)];
    const whole = await connection.call({ method: 'merged', args, take: true });
    try {
      return await use(whole, connection);
    } finally {
      connection.release(whole);
    }
  }

  /**
   * Adds documents: those are first made a store, which says what is wrong with them.
   *
   * @param {Request} request
   * @param {boolean} embeds Whether it asks the caller's model, who may ask the store something meanwhile.
   * @returns {Promise<string[]>} Their ids.
   */
  async #add(request, embeds) {
    // The change before may be what says how many numbers a vector has.
    const isEarly = this.#changing > 0 && this.#settings.dim === undefined;
    const args = isEarly ? taken(request.args) : request.args;
    const begin = () => this.#incoming({ ...request, method: 'filled', args: [request.method, ...args] });
    const ready = isEarly ? this.#changes.then(begin) : begin();
    // It is waited for later.
    ready.catch(() => {});
    if (embeds) await ready;
    return this.#alone(async () => this.#commit(await ready, request.method.startsWith('upsert')));
  }

  /**
   * Makes a store of documents that are to be added, in a worker that has room for them.
   *
   * @param {Request} request
   * @returns {Promise<Slice & { dim: number | null }>}
   */
  async #incoming(request) {
    const connection = this.#roomiest();
    /** @type {Functions} */
    const functions = new Map();
    const args = [this.#embeddings, this.#makes(), ...request.args];
    const target = await connection.call({ ...request, target: WHOLE, args, functions, changes: true });
    const store = { connection, target, functions };
    const { count, dim } = /** @type {StoreInfo} */ (await ask(store, 'info'));
    return { ...store, count, dim };
  }

  /** What stores are made with that go into this one. */
  #makes() {
    const { distanceStrategy, normalizeL2, dim } = this.#settings;
    return { distanceStrategy, normalizeL2, dim };
  }

  /**
   * The worker that has the last documents, until another has far fewer: so slices are few, whatever is added.
   *
   * @returns {Connection}
   */
  #roomiest() {
    const { connection: last } = /** @type {Slice} */ (this.#slices.at(-1));
    const load = (/** @type {Connection} */ worker) =>
      sum(this.#slices.filter(({ connection }) => connection === worker).map(({ count }) => count));
    const least = this.#workers().reduce((best, worker) => (load(worker) < load(best) ? worker : best));
    const total = sum(this.#slices.map(({ count }) => count));
    return load(last) - load(least) > total / UNEVEN ? least : last;
  }

  /**
   * Takes in documents that were made a store, in place of those with the same ids, or only where there are
   * none.
   *
   * @param {Slice & { dim: number | null }} incoming
   * @param {boolean} replaces
   * @returns {Promise<string[]>} Their ids.
   */
  async #commit(incoming, replaces) {
    try {
      const ids = /** @type {string[]} */ (await ask(incoming, 'ids'));
      const { dim } = this.#settings;
      if (ids.length > 0 && dim !== undefined && dim !== incoming.dim) {
        await this.#refuseDim(incoming, ids[0]);
      }
      const known = await this.#known(ids);
      const twice = new Set(known.flat());
      if (!replaces && twice.size > 0) {
        const args = [ids.filter((id) => twice.has(id))];
        await incoming.connection.call({ method: 'refuse', args });
      }
      this.#version++;
      await this.#drop(known);
      await this.#append(incoming);
      return ids;
    } catch (error) {
      incoming.connection.release(incoming.target);
      throw error;
    }
  }

  /**
   * Rejects as a store does that has vectors of another length.
   *
   * @param {Slice} incoming
   * @param {string} id
   */
  async #refuseDim(incoming, id) {
    const documents = [{ pageContent: '', metadata: {}, id }];
    const vectors = [await ask(incoming, 'getVector', [id])];
    await this.#callFew({ method: '', args: [] }, { documents, vectors }, { args: [], once: memory() });
  }

  /**
   * Puts a store behind the last slice: into it, if it is in the same worker, and there is room for a copy.
   *
   * @param {Slice & { dim: number | null }} incoming
   */
  async #append(incoming) {
    this.#settings.dim ??= incoming.dim ?? undefined;
    // The first stays if it is empty: it knows where the store came from.
    const slices = this.#slices.filter(({ count }, at) => at === 0 || count > 0);
    const last = /** @type {Slice} */ (slices.at(-1));
    const isIn =
      incoming.count === 0 ||
      (last.connection === incoming.connection &&
        (await mergeInto(last, incoming).then(
          () => true,
          () => false,
        )));
    if (isIn) last.count += incoming.count;
    else slices.push(incoming);
    for (const slice of [...this.#slices, incoming]) {
      if (!slices.includes(slice)) slice.connection.release(slice.target);
    }
    this.#slices = slices;
  }

  /**
   * @param {Request} request
   * @returns {Promise<number>} How many documents were deleted.
   */
  #delete(request) {
    return this.#alone(async () => {
      // What is wrong is said by a store that has nothing. Whether ids are known is not for it to say.
      const wrong = await this.#callFew(request, NOTHING, { args: request.args, once: memory() }).then(
        () => undefined,
        (error) => error,
      );
      if (wrong && wrong.code !== 'unknown_id') throw wrong;
      const { ids, filter } = /** @type {any} */ (request.args[0]);
      const doomed = ids
        ? await this.#known(ids)
        : await this.#each({ ...request, method: 'accepted', args: [filter] });
      if (wrong) {
        const known = new Set(doomed.flat());
        const args = [{ ids: ids.filter((/** @type {string} */ id) => !known.has(id)) }];
        await this.#callFew(request, NOTHING, { args, once: memory() });
      }
      this.#version++;
      return this.#drop(doomed);
    });
  }

  /**
   * Those of some ids that there are, slice by slice.
   *
   * @param {string[]} ids
   * @returns {Promise<string[][]>}
   */
  #known(ids) {
    return this.#each({ method: 'known', args: [ids] });
  }

  /**
   * Deletes documents, of each slice its own.
   *
   * @param {string[][]} doomed
   * @returns {Promise<number>} How many.
   */
  async #drop(doomed) {
    const counts = await Promise.all(
      this.#slices.map(async (slice, i) => {
        const count = doomed[i].length > 0 ? Number(await ask(slice, 'delete', [{ ids: doomed[i] }])) : 0;
        slice.count -= count;
        return count;
      }),
    );
    return sum(counts);
  }

  /**
   * Does something when the changes before have ended; calls that are made until it has ended wait for it.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  #alone(work) {
    this.#changing++;
    const done = this.#changes.then(work).finally(() => this.#changing--);
    this.#changes = done.catch(() => {});
    return done;
  }
}

/** A worker gets what is added once it has this part of all documents fewer than the one that got the last. */
const UNEVEN = 8;

/**
 * @param {Store} store
 * @param {Store} other One of the same worker.
 */
function mergeInto({ connection, target }, { target: handle }) {
  const other = {};
  const represent = (/** @type {object} */ value) =>
    value === other ? { kind: /** @type {const} */ ('store'), handle } : undefined;
  return connection.call({ target, method: 'mergeFrom', args: [other], represent });
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
