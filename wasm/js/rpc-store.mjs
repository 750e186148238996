// @ts-check
// What `twindex/worker` exports: each call is posted to a worker, which has the stores.
import { VectorStoreError } from './error.mjs';
import { describe, isPlainObject, warn } from './glue-support.mjs';
import { Connection } from './rpc-client.mjs';
import { Slices, WHOLE } from './rpc-slices.mjs';
import { isResponse } from './rpc-values.mjs';

/** @typedef {import('./rpc-client.mjs').Functions} Functions */
/** @typedef {import('./rpc-client.mjs').Request} Request */
/** @typedef {import('./rpc-client.mjs').ToClient} ToClient */
/** @typedef {import('./rpc-client.mjs').ToHost} ToHost */
/** @typedef {import('./rpc-client.mjs').ToNodeHost} ToNodeHost */
/** @typedef {import('./index.js').Document} Document */

/**
 * What differs between a browser and Node.
 *
 * @typedef {object} Platform
 * @property {(worker: any) => import('./rpc-client.mjs').Thread<ToHost | ToNodeHost, ToClient>} start Starts a worker, the package's own
 *   unless a URL is given, or takes one that runs.
 * @property {(place: string) => string} resolve The place of a binary, such that the worker finds it too.
 */

/**
 * Where the module is, or what will say so.
 *
 * @typedef {{ source?: unknown, awaited?: () => Promise<unknown> }} Source
 */

/**
 * The worker that all stores share, and those that stores in several workers have beside it. Each is started
 * when it is first needed, and again after it was lost.
 */
export class Shared {
  #platform;
  /** @type {Connection | undefined} */
  #connection;
  /** @type {Connection[]} */
  #others = [];
  /** @type {Connection | undefined} */
  #loaded;
  /** What the module was loaded from, for a worker that takes the place of this one. @type {unknown} */
  #source;
  /**
   * The worker that was asked for, and what the next start is to use: whoever gave a worker can start it
   * again, nobody else.
   *
   * @type {unknown}
   */
  #worker;
  /** @type {unknown} */
  #nextWorker;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** @returns {Connection} */
  connection() {
    if (!this.#connection || this.#connection.failed) {
      // Where the module cannot be loaded, calls say so themselves.
      this.#open(this.#source, this.#nextWorker).catch(() => {});
    }
    return /** @type {Connection} */ (this.#connection);
  }

  /**
   * Workers beside the one that is there.
   *
   * @param {number} count
   */
  others(count) {
    for (let at = 0; at < count; at++) {
      if (!this.#others[at] || this.#others[at].failed) this.#others[at] = this.#another();
    }
    return this.#others.slice(0, count);
  }

  #another() {
    const connection = new Connection(this.#start(this.#nextWorker));
    this.#loadFrom(connection, this.#source).catch(() => {});
    return connection;
  }

  /**
   * See `worker.d.ts`.
   *
   * @param {unknown} source
   * @param {unknown} options
   */
  async init(source, options) {
    const worker = workerOf(options);
    if (!this.#connection || this.#connection.failed) {
      await this.#open(source ?? this.#source, worker ?? this.#nextWorker);
    } else if (worker === undefined || worker === this.#worker) {
      await this.#load(this.#connection, source);
    } else {
      throw new VectorStoreError(
        'option worker: another worker is running, which terminate() ends',
        'invalid_option',
      );
    }
  }

  async terminate() {
    const all = [this.#connection, ...this.#others];
    await Promise.all(all.map((connection) => connection?.fail('the worker was terminated')));
  }

  /**
   * @param {unknown} source
   * @param {unknown} worker
   */
  #open(source, worker) {
    this.#nextWorker = typeof worker === 'string' || worker instanceof URL ? worker : undefined;
    this.#connection = new Connection(this.#start(worker));
    this.#worker = worker;
    return this.#load(this.#connection, source);
  }

  /** @param {unknown} worker */
  #start(worker) {
    try {
      return this.#platform.start(worker);
    } catch (cause) {
      if (cause instanceof VectorStoreError) throw cause;
      throw new VectorStoreError(`the worker cannot be started: ${describe(cause)}`, 'worker_failed', {
        cause,
      });
    }
  }

  /**
   * @param {Connection} connection
   * @param {unknown} source
   */
  async #load(connection, source) {
    await this.#loadFrom(connection, source);
    // Later calls have done nothing.
    if (this.#loaded !== connection) this.#source = source ?? this.#source;
    this.#loaded = connection;
  }

  /**
   * @param {Connection} connection
   * @param {unknown} source
   */
  async #loadFrom(connection, source) {
    /** @type {Source} */
    let given = { source };
    if (typeof source === 'string' || source instanceof URL) {
      given = { source: this.#platform.resolve(String(source)) };
    } else if (source instanceof Promise || isResponse(source)) {
      const response = Promise.resolve(source);
      // The worker asks for it later.
      response.catch(() => {});
      // A copy, since it may be needed again.
      given = { awaited: () => response.then((value) => (isResponse(value) ? value.clone() : value)) };
    }
    await connection.call({ method: 'init', args: [given] });
  }
}

/**
 * The class over a worker.
 *
 * @param {Shared} shared
 */
export function classOver(shared) {
  /** See `worker.d.ts`. */
  class VectorStore {
    #connection;
    #target;
    /**
     * What the caller gave that calls may come back to: embeddings, a relevance function, somebody to warn.
     */
    #functions;
    #freed = false;

    /**
     * @param {symbol} token
     * @param {Connection | Slices} connection
     * @param {number} target
     * @param {Functions} functions
     */
    constructor(token, connection, target, functions) {
      if (token !== TOKEN) {
        throw new VectorStoreError(
          'expected await VectorStore.create() or another method that makes one, got new',
          'invalid_argument',
        );
      }
      this.#connection = connection;
      this.#target = target;
      this.#functions = functions;
      connection.adopt(this, target);
    }

    /**
     * @param {string} method
     * @param {unknown[]} args
     * @param {number} embeddingsAt Options come after the embeddings.
     * @param {boolean} [take]
     */
    static async #make(method, args, embeddingsAt, take = false) {
      const { options, workers } = spreading(args[embeddingsAt + 1]);
      const connection = shared.connection();
      const given = [...args];
      const embeddings = (given[embeddingsAt] = methodsOf(args[embeddingsAt]));
      const stated = (given[embeddingsAt + 1] = withWarnings(options));
      /** @type {Functions} */
      const functions = new Map();
      const target = await connection.call({ method, args: given, functions, take });
      if (workers === 1) return new VectorStore(TOKEN, connection, target, functions);
      const slices = await Slices.of(
        { connection, target, functions },
        { others: (count) => shared.others(count), workers, embeddings, options: /** @type {any} */ (stated) },
      );
      return new VectorStore(TOKEN, slices, WHOLE, functions);
    }

    /** @param {unknown[]} args */
    static async create(...args) {
      return VectorStore.#make('create', args, 0);
    }

    /** @param {unknown[]} args */
    static async fromTexts(...args) {
      return VectorStore.#make('fromTexts', args, 2);
    }

    /** @param {unknown[]} args */
    static async fromDocuments(...args) {
      return VectorStore.#make('fromDocuments', withFields(args, 0), 1);
    }

    /** @param {unknown[]} args */
    static async fromVectors(...args) {
      const { rest, take } = taking(args, 3);
      return VectorStore.#make('fromVectors', withFields(rest, 1), 2, take);
    }

    /** @param {unknown[]} args */
    static async deserialize(...args) {
      const { rest, take } = taking(args, 2);
      return VectorStore.#make('deserialize', rest, 1, take);
    }

    /**
     * @param {unknown} files
     * @param {unknown[]} args
     */
    static async fromLangChain(files, ...args) {
      return VectorStore.#make('fromLangChain', [byName(files), ...args], 1);
    }

    /** @param {unknown[]} args */
    static async load(...args) {
      return VectorStore.#make('load', args, 1);
    }

    /** @param {unknown[]} args */
    static async list(...args) {
      return shared.connection().call({ method: 'list', args });
    }

    /** @param {unknown[]} args */
    static async remove(...args) {
      return shared.connection().call({ method: 'remove', args, changes: true });
    }

    /** @param {unknown[]} args */
    addTexts(...args) {
      return this.#change('addTexts', args);
    }

    /** @param {unknown[]} args */
    async addDocuments(...args) {
      return this.#change('addDocuments', withFields(args, 0));
    }

    /** @param {unknown[]} args */
    async addVectors(...args) {
      const { rest, take } = taking(args, 2);
      return this.#change('addVectors', withFields(rest, 1), { take });
    }

    /** @param {unknown[]} args */
    async upsert(...args) {
      return this.#change('upsert', withFields(args, 0));
    }

    /** @param {unknown[]} args */
    async upsertVectors(...args) {
      const { rest, take } = taking(args, 2);
      return this.#change('upsertVectors', withFields(rest, 1), { take });
    }

    /** @param {unknown[]} args */
    similaritySearch(...args) {
      return this.#call('similaritySearch', args);
    }

    /** @param {unknown[]} args */
    similaritySearchWithScore(...args) {
      return this.#call('similaritySearchWithScore', args);
    }

    /** @param {unknown[]} args */
    similaritySearchByVector(...args) {
      return this.#call('similaritySearchByVector', args);
    }

    /** @param {unknown[]} args */
    similaritySearchVectorWithScore(...args) {
      return this.#call('similaritySearchVectorWithScore', args);
    }

    /** @param {unknown[]} args */
    similaritySearchBatch(...args) {
      return this.#call('similaritySearchBatch', args);
    }

    /** @param {unknown[]} args */
    similaritySearchWithRelevanceScores(...args) {
      return this.#call('similaritySearchWithRelevanceScores', args);
    }

    /** @param {unknown[]} args */
    maxMarginalRelevanceSearch(...args) {
      return this.#call('maxMarginalRelevanceSearch', args);
    }

    /** @param {unknown[]} args */
    maxMarginalRelevanceSearchByVector(...args) {
      return this.#call('maxMarginalRelevanceSearchByVector', args);
    }

    /** @param {unknown[]} args */
    maxMarginalRelevanceSearchWithScoreByVector(...args) {
      return this.#call('maxMarginalRelevanceSearchWithScoreByVector', args);
    }

    /** @param {unknown[]} args */
    search(...args) {
      return this.#call('search', args);
    }

    /** @param {unknown[]} args */
    async asRetriever(...args) {
      /** @type {Functions} */
      const functions = new Map();
      const target = await this.#call('asRetriever', args, { functions });
      const known = [functions, this.#functions];
      const standing = signalOf(/** @type {any} */ (args[0])?.searchKwargs);
      const retriever = {
        /** @param {unknown[]} args */
        invoke: async (...args) => {
          const signals = standing && signalOf(args[1]) === undefined ? [standing] : [];
          return this.#call('invoke', args, { target, known, owner: retriever, signals });
        },
        /** @param {unknown[]} args */
        addDocuments: async (...args) =>
          this.#change('addDocuments', withFields(args, 0), { target, known, owner: retriever }),
      };
      this.#connection.adopt(retriever, target);
      return retriever;
    }

    /** @param {unknown[]} args */
    delete(...args) {
      return this.#change('delete', args);
    }

    /** @param {unknown[]} args */
    getByIds(...args) {
      return this.#call('getByIds', args);
    }

    /** @param {unknown} other */
    async mergeFrom(other) {
      if (!(
        typeof other === 'object' &&
        other !== null &&
        #target in other &&
        canReach(this.#connection, other.#connection)
      )) {
        throw new VectorStoreError(
          `other: expected ${expectedOf(other)}, got ${describe(other)}`,
          'invalid_argument',
        );
      }
      if (other.#freed) throw freed();
      if (this.#connection instanceof Slices) {
        if (this.#freed) throw freed();
        return this.#connection.merge(this, other === this ? undefined : other.#bytes());
      }
      const merge = (/** @type {number} */ handle) => {
        const represent = (/** @type {object} */ value) =>
          value === other ? { kind: /** @type {const} */ ('store'), handle } : undefined;
        return this.#change('mergeFrom', [other], { represent });
      };
      if (other.#connection instanceof Slices) return other.#connection.withWhole(other, merge);
      await merge(other.#target);
    }

    /**
     * What another worker makes the store of, in one piece or several.
     *
     * @returns {Promise<Uint8Array[]>}
     */
    async #bytes() {
      if (this.#connection instanceof Slices) return this.#call('bytes', []);
      return [await this.#call('serialize', [{ vectors: 'f32' }])];
    }

    /** @param {unknown[]} args */
    serialize(...args) {
      return this.#call('serialize', args);
    }

    /** @param {unknown[]} args */
    vectorLoss(...args) {
      return this.#call('vectorLoss', args);
    }

    /** @param {unknown[]} args */
    save(...args) {
      return this.#change('save', args);
    }

    /** @param {unknown[]} args */
    toLangChain(...args) {
      return this.#call('toLangChain', args);
    }

    importReport() {
      return this.#call('importReport', []);
    }

    /** @param {unknown[]} args */
    setSearchParameter(...args) {
      return this.#change('setSearchParameter', args);
    }

    count() {
      return this.#call('count', []);
    }

    ids() {
      return this.#call('ids', []);
    }

    /** @param {unknown[]} args */
    getVector(...args) {
      return this.#call('getVector', args);
    }

    getVectors() {
      return this.#call('getVectors', []);
    }

    info() {
      return this.#call('info', []);
    }

    async *documents() {
      const ids = /** @type {string[]} */ (await this.ids());
      for (let start = 0; start < ids.length; start += PAGE) {
        yield* /** @type {Document[]} */ (await this.getByIds(ids.slice(start, start + PAGE)));
      }
    }

    [Symbol.asyncIterator]() {
      return this.documents();
    }

    free() {
      if (this.#freed) return;
      this.#freed = true;
      this.#connection.disown(this);
      this.#connection.release(this.#target);
    }

    /**
     * @param {string} method
     * @param {unknown[]} args
     * @param {Partial<Request>} [more]
     * @returns {Promise<any>}
     */
    async #call(method, args, more) {
      if (this.#freed) throw freed();
      return this.#connection.call({
        target: this.#target,
        method,
        args,
        known: [this.#functions],
        owner: this,
        ...more,
      });
    }

    /**
     * @param {string} method
     * @param {unknown[]} args
     * @param {Partial<Request>} [more]
     */
    #change(method, args, more) {
      return this.#call(method, args, { changes: true, ...more });
    }
  }

  // Where the engine has it: `using` of TypeScript and of newer engines asks for this symbol.
  if (typeof Symbol.dispose === 'symbol') {
    Object.defineProperty(VectorStore.prototype, Symbol.dispose, {
      value: VectorStore.prototype.free,
      configurable: true,
      writable: true,
    });
  }
  return VectorStore;
}

/** Documents fetched at a time by an iteration. */
const PAGE = 256;

const TOKEN = Symbol('made by a method of VectorStore');

/**
 * Files by name. A `FileList` does not cross, and in Node files lose their names when they do; what is no list of files is left to be refused.
 *
 * @param {any} files
 */
function byName(files) {
  try {
    if (typeof files !== 'object' || files === null || !(Symbol.iterator in files)) return files;
    const entries = Array.from(files, (file) => [file.webkitRelativePath || file.name, file]);
    return entries.every(([name]) => typeof name === 'string') ? Object.fromEntries(entries) : files;
  } catch {
    return files;
  }
}

/**
 * Whether a store can take in another: of the same worker, or by bytes where one is in several.
 *
 * @param {Connection | Slices} here
 * @param {Connection | Slices} there
 */
const canReach = (here, there) => here === there || here instanceof Slices || there instanceof Slices;

/** @param {any} other */
function expectedOf(other) {
  if (typeof other?.serialize !== 'function') return 'a VectorStore';
  const way = 'VectorStore.deserialize(await other.serialize())';
  return `a VectorStore of the same worker (one of elsewhere comes over by ${way})`;
}

const freed = () => new VectorStoreError('the store was freed', 'store_freed');

/**
 * The worker that is asked for.
 *
 * @param {unknown} options
 */
function workerOf(options) {
  if (options === undefined || options === null) return undefined;
  if (!isPlainObject(options)) {
    throw new VectorStoreError(`options: expected an object, got ${describe(options)}`, 'invalid_argument');
  }
  const { worker, ...rest } = /** @type {Record<string, unknown>} */ (options);
  const [unknown] = Object.keys(rest);
  if (unknown === undefined) return worker ?? undefined;
  throw new VectorStoreError(`unknown option ${JSON.stringify(unknown)}: expected worker`, 'invalid_option');
}

/**
 * Embeddings as two functions: the rest of what may be a large object stays here. What are no embeddings is
 * left to the store to refuse.
 *
 * @param {any} embeddings
 */
function methodsOf(embeddings) {
  try {
    if (typeof embeddings.embedDocuments !== 'function' || typeof embeddings.embedQuery !== 'function')
      return embeddings;
  } catch {
    return embeddings;
  }
  return {
    /** @param {string[]} texts */
    embedDocuments: (texts) => embeddings.embedDocuments(texts),
    /** @param {string} text */
    embedQuery: (text) => embeddings.embedQuery(text),
  };
}

/**
 * Options of a store that warns here: a worker's console may be nowhere to be seen.
 *
 * @param {any} options
 */
function withWarnings(options) {
  try {
    const isNothing = options === undefined || options === null;
    if (isNothing || (isPlainObject(options) && (options.onWarning ?? undefined) === undefined))
      return { ...options, onWarning: warn };
  } catch {
    // Left for the store to refuse.
  }
  return options;
}

/**
 * @param {any} options
 * @returns {AbortSignal | null | undefined}
 */
const signalOf = (options) => options?.signal;

/**
 * Documents with the fields that the store reads, where they are instances of a class.
 *
 * @param {unknown[]} args
 * @param {number} at
 */
function withFields(args, at) {
  const documents = args[at];
  if (!Array.isArray(documents)) return args;
  /** @param {any} document */
  const plain = (document) => {
    if (typeof document !== 'object' || document === null || isPlainObject(document)) return document;
    try {
      const { pageContent, metadata, id } = document;
      return { pageContent, metadata, id };
    } catch {
      return Object.defineProperties(
        {},
        Object.fromEntries(FIELDS.map((field) => [field, { enumerable: true, get: () => document[field] }])),
      );
    }
  };
  return args.map((argument, i) => (i === at ? documents.map(plain) : argument));
}

const FIELDS = ['pageContent', 'metadata', 'id'];

/**
 * In how many workers a store is to be, and its options without that one.
 *
 * @param {any} options
 */
function spreading(options) {
  if (!isPlainObject(options) || !Object.hasOwn(options, 'workers')) return { options, workers: 1 };
  const { workers, ...rest } = /** @type {Record<string, unknown>} */ (options);
  if (workers === undefined || workers === null) return { options: rest, workers: 1 };
  if (typeof workers !== 'number' || !Number.isInteger(workers) || workers < 1 || workers > MOST_WORKERS) {
    throw new VectorStoreError(
      `option workers: expected a whole number from 1 to ${MOST_WORKERS}, got ${describe(workers)}`,
      'invalid_option',
    );
  }
  return { options: rest, workers };
}

/** More than machines have cores; each takes memory before it has anything. */
const MOST_WORKERS = 256;

/**
 * Whether the memory of what is given may be taken, and the arguments without that option.
 *
 * @param {unknown[]} args
 * @param {number} optionsAt
 */
function taking(args, optionsAt) {
  const options = args[optionsAt];
  if (!isPlainObject(options) || !Object.hasOwn(/** @type {object} */ (options), 'transfer'))
    return { rest: args, take: false };
  const { transfer, ...others } = /** @type {Record<string, unknown>} */ (options);
  if (transfer !== undefined && transfer !== null && typeof transfer !== 'boolean') {
    throw new VectorStoreError(
      `option transfer: expected true or false, got ${describe(transfer)}`,
      'invalid_option',
    );
  }
  return {
    rest: args.map((argument, at) => (at === optionsAt ? others : argument)),
    take: transfer === true,
  };
}
