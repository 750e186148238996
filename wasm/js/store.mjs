// @ts-check
// The class that users see: it loads the module, hands every call to the class that Rust exports, and keeps stores by name.

import { VectorStoreError } from './error.mjs';
import { describe, isSignal, wrong } from './glue-support.mjs';
import { ready, readyInterop } from './load.mjs';
import { getPlatform } from './platform.mjs';

/** @typedef {import('./glue.mjs').VectorStore} Inner */
/** @typedef {Pick<typeof import('./interop-entry.mjs'), 'guarded' | 'isBroken'> & Pick<typeof import('./glue.mjs'), 'VectorStore'>} Module */
/** @typedef {import('./index.js').ImportReport} ImportReport */
/** @typedef {import('./index.js').VectorStore} PublicStore */

/** Documents fetched at a time by an iteration. */
const PAGE = 256;

/** The options that say what a store is. */
const OF_STORES = ['distanceStrategy', 'normalizeL2', 'dim', 'relevanceScoreFn', 'onWarning'];
const OF_ADDING = ['ids', 'batchSize', 'onProgress', 'signal'];
const OF_ADDING_VECTORS = ['ids', 'dim', 'signal'];

/** What only this module has: `new` is no way to a store. */
const TOKEN = Symbol('made by a method of VectorStore');

/** See `index.d.ts`, which says what each method takes and gives. */
export class VectorStore {
  /** @type {Inner | undefined} */
  #inner;
  /** What the store lives in. */
  #module;
  /** Calls that are taking in what they were given, which may run the caller's getters. */
  #starting = 0;
  /** @type {ImportReport | null} */
  #report = null;

  /**
   * @param {symbol} token
   * @param {Inner} inner
   * @param {Module} module
   */
  constructor(token, inner, module) {
    if (token !== TOKEN) {
      throw new VectorStoreError('expected await VectorStore.create() or another method that makes one, got new', 'invalid_argument');
    }
    this.#inner = inner;
    this.#module = module;
  }

  /**
   * @param {unknown} [embeddings]
   * @param {unknown} [options]
   */
  static async create(embeddings, options) {
    return made(({ VectorStore: Inner }) => new Inner(embeddings, options));
  }

  /**
   * @param {unknown} texts
   * @param {unknown} metadatas
   * @param {unknown} embeddings
   * @param {unknown} [options]
   */
  static async fromTexts(texts, metadatas, embeddings, options) {
    return filled(embeddings, options, OF_ADDING, (inner, rest) => inner.addTexts(texts, metadatas, rest));
  }

  /**
   * @param {unknown} documents
   * @param {unknown} embeddings
   * @param {unknown} [options]
   */
  static async fromDocuments(documents, embeddings, options) {
    return filled(embeddings, options, OF_ADDING, (inner, rest) => inner.addDocuments(documents, rest));
  }

  /**
   * @param {unknown} vectors
   * @param {unknown} documents
   * @param {unknown} [embeddings]
   * @param {unknown} [options]
   */
  static async fromVectors(vectors, documents, embeddings, options) {
    return filled(embeddings, options, OF_ADDING_VECTORS, (inner, rest) => inner.addVectors(vectors, documents, rest));
  }

  /**
   * @param {unknown} bytes
   * @param {unknown} [embeddings]
   * @param {unknown} [options]
   */
  static async deserialize(bytes, embeddings, options) {
    const awaited = isBlob(bytes) || isResponse(bytes) ? await bytesOf(bytes) : bytes;
    /** @type {(module: Module) => Promise<Inner>} */
    const open = ({ VectorStore: Inner }) => Inner.deserialize(awaited, embeddings, options);
    try {
      return await made(open);
    } catch (error) {
      // An index that is not flat.
      if (!(error instanceof VectorStoreError) || error.code !== 'unsupported_content') throw error;
    }
    return made(open, readyInterop());
  }

  /**
   * @param {unknown} files
   * @param {unknown} [embeddings]
   * @param {object | null} [options]
   */
  static async fromLangChain(files, embeddings, options) {
    const { indexName, ...rest } = known(optionsOf(options), ['indexName', ...OF_STORES, 'signal']);
    const interop = await readyInterop();
    const { bytes, report } = await interop.open(files, { ...rest, indexName }, bytesOf);
    const store = await VectorStore.deserialize(bytes, embeddings, rest);
    store.#report = report;
    return store;
  }

  /**
   * @param {string} name
   * @param {unknown} [embeddings]
   * @param {object | null} [options]
   */
  static async load(name, embeddings, options) {
    const { directory, ...rest } = known(optionsOf(options), ['directory', ...OF_STORES, 'signal']);
    const where = storageOptions({ directory, signal: rest.signal });
    return getPlatform().storage.load(name, where, async (saved) =>
      VectorStore.deserialize(await collect(saved), embeddings, rest),
    );
  }

  /** @param {object | null} [options] */
  static async list(options) {
    return getPlatform().storage.list(storageOptions(options));
  }

  /**
   * @param {string} name
   * @param {object | null} [options]
   */
  static async remove(name, options) {
    return getPlatform().storage.remove(name, storageOptions(options));
  }

  /** @param {unknown[]} args */
  addTexts(...args) {
    return this.#call('addTexts', args);
  }

  /** @param {unknown[]} args */
  addDocuments(...args) {
    return this.#call('addDocuments', args);
  }

  /** @param {unknown[]} args */
  addVectors(...args) {
    return this.#call('addVectors', args);
  }

  /** @param {unknown[]} args */
  upsert(...args) {
    return this.#call('upsert', args);
  }

  /** @param {unknown[]} args */
  upsertVectors(...args) {
    return this.#call('upsertVectors', args);
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
    const retriever = /** @type {import('./glue.mjs').Retriever} */ (await this.#call('asRetriever', args));
    /** @type {(method: 'invoke' | 'addDocuments') => (...args: unknown[]) => Promise<unknown>} */
    const method = (name) => async (...args) => {
      this.#open();
      return this.#module.guarded(() => retriever[name](...args));
    };
    return { invoke: method('invoke'), addDocuments: method('addDocuments') };
  }

  /** @param {unknown[]} args */
  delete(...args) {
    return this.#call('delete', args);
  }

  /** @param {unknown[]} args */
  getByIds(...args) {
    return this.#call('getByIds', args);
  }

  /** @param {unknown} other */
  async mergeFrom(other) {
    if (!(typeof other === 'object' && other !== null && #inner in other)) {
      throw wrong('other', 'a VectorStore', other);
    }
    const inner = other.#open();
    if (other.#module === this.#module) return void (await this.#call('mergeFrom', [inner]));
    const copy = await (await readyInterop()).copied(this.#module, other);
    try {
      await this.#call('mergeFrom', [copy]);
    } finally {
      copy.free();
    }
  }

  /** @param {object | null} [options] */
  async serialize(options) {
    return this.#bytes(known(optionsOf(options), ['vectors']).vectors);
  }

  /** @param {unknown} [vectors] */
  #bytes(vectors) {
    return /** @type {Promise<Uint8Array<ArrayBuffer>>} */ (this.#call('serialize', [vectors, false]));
  }

  /** @param {unknown} vectors */
  async vectorLoss(vectors) {
    const [largest, mean] = /** @type {number[]} */ (await this.#call('serialize', [vectors, true]));
    return { largest, mean };
  }

  /**
   * @param {string} name
   * @param {object | null} [options]
   */
  async save(name, options) {
    const given = optionsOf(options);
    const where = storageOptions(given, 'vectors');
    await getPlatform().storage.save(name, [await this.#bytes(given.vectors)], where);
  }

  /** @param {object | null} [options] */
  async toLangChain(options) {
    const given = known(optionsOf(options), ['format', 'indexName']);
    const [interop, bytes] = await Promise.all([readyInterop(), this.#bytes('f32')]);
    return interop.write(bytes, given);
  }

  async importReport() {
    this.#open();
    return this.#report;
  }

  /**
   * @param {string} name
   * @param {number} value
   */
  async setSearchParameter(name, value) {
    const inner = this.#open();
    await (await readyInterop()).setParameter(inner, name, value);
  }

  count() {
    return this.#call('count', []);
  }

  ids() {
    return /** @type {Promise<string[]>} */ (this.#call('ids', []));
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
    const ids = await this.ids();
    for (let start = 0; start < ids.length; start += PAGE) {
      yield* /** @type {import('./index.js').Document[]} */ (await this.getByIds(ids.slice(start, start + PAGE)));
    }
  }

  [Symbol.asyncIterator]() {
    return this.documents();
  }

  free() {
    const inner = this.#inner;
    this.#inner = undefined;
    // A call that is just starting gives it back when it has started.
    if (this.#starting === 0 && !this.#module.isBroken()) inner?.free();
  }

  #open() {
    if (!this.#inner) throw new VectorStoreError('the store was freed', 'store_freed');
    return this.#inner;
  }

  /**
   * Hands a call over at once, so that what it was given is taken in before this returns.
   *
   * @param {import('./glue.mjs').Method} name
   * @param {unknown[]} args
   */
  async #call(name, args) {
    const inner = this.#open();
    return this.#module.guarded(() => {
      this.#starting++;
      try {
        return inner[name](...args);
      } finally {
        if (--this.#starting === 0 && !this.#inner && !this.#module.isBroken()) inner.free();
      }
    });
  }
}

// Bundlers rename it.
Object.defineProperty(VectorStore, 'name', { value: 'VectorStore', configurable: true });

// Where the engine has it: `using` of TypeScript and of newer engines asks for this symbol.
if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(VectorStore.prototype, Symbol.dispose, {
    value: VectorStore.prototype.free,
    configurable: true,
    writable: true,
  });
}

/**
 * @param {(module: Module) => Inner | Promise<Inner>} make
 * @param {Module | Promise<Module>} [loading]
 */
async function made(make, loading = ready()) {
  const module = loading instanceof Promise ? await loading : loading;
  return new VectorStore(TOKEN, await module.guarded(async () => make(module)), module);
}

/**
 * A new store with documents in it, or none at all.
 *
 * @param {unknown} embeddings
 * @param {unknown} options
 * @param {string[]} ofAdding The options that say something to what adds; a signal, and perhaps a dimension, say something to the store as well.
 * @param {(inner: Inner, options: unknown) => Promise<unknown>} add
 */
async function filled(embeddings, options, ofAdding, add) {
  /** @type {Record<string, unknown>} */
  const own = {};
  /** @type {Record<string, unknown>} */
  const rest = {};
  const given = known(optionsOf(options), [...OF_STORES, ...ofAdding]);
  for (const [key, value] of Object.entries(given)) {
    if (OF_STORES.includes(key) || key === 'signal') own[key] = value;
    if (ofAdding.includes(key)) rest[key] = value;
  }
  return made(async ({ VectorStore: Inner }) => {
    const inner = new Inner(embeddings, own);
    try {
      await add(inner, rest);
      return inner;
    } catch (error) {
      inner.free();
      throw error;
    }
  });
}

/**
 * Whether something is an instance; what only pretends to be one makes `instanceof` throw, or its getter.
 *
 * @template T
 * @param {(new (...args: any[]) => T) | undefined} type
 * @param {keyof T} getter
 * @returns {(value: unknown) => value is T}
 */
function isA(type, getter) {
  /** @type {(value: unknown) => boolean} */
  const is = (value) => {
    try {
      return type !== undefined && value instanceof type && value[getter] !== undefined;
    } catch {
      return false;
    }
  };
  return /** @type {(value: unknown) => value is T} */ (is);
}
const isBlob = isA(globalThis.Blob, 'size');
const isResponse = isA(globalThis.Response, 'status');

/** @param {Blob | Response} source */
async function bytesOf(source) {
  if (isResponse(source) && !source.ok) {
    throw new VectorStoreError(`the response: expected success, got status ${source.status} of ${source.url}`, 'io_error');
  }
  try {
    return await source.arrayBuffer();
  } catch (cause) {
    throw new VectorStoreError(`the bytes cannot be read: ${describe(cause)}`, 'io_error', { cause });
  }
}

/** @param {import('./storage.mjs').Saved} saved */
async function collect(saved) {
  /** @type {Uint8Array} */
  let bytes;
  try {
    bytes = new Uint8Array(saved.size);
  } catch (cause) {
    throw new VectorStoreError(`no memory for ${saved.size} bytes of a saved store`, 'out_of_memory', { cause });
  }
  let at = 0;
  const reader = saved.stream().getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    bytes.set(piece.value, at);
    at += piece.value.length;
  }
  return bytes.subarray(0, at);
}

/**
 * A copy of the options given: reading it cannot fail any more.
 *
 * @param {unknown} options
 * @returns {Record<string, unknown>}
 */
function optionsOf(options) {
  if (options === undefined || options === null) return {};
  try {
    if (typeof options === 'object' && !Array.isArray(options)) return { ...options };
  } catch (cause) {
    throw new VectorStoreError(`options cannot be read: ${describe(cause)}`, 'invalid_argument', { cause });
  }
  throw wrong('options', 'an object', options);
}

/**
 * @param {Record<string, unknown>} options
 * @param {string[]} keys
 */
function known(options, keys) {
  const unknown = Object.keys(options).find((key) => options[key] !== undefined && !keys.includes(key));
  if (unknown === undefined) return options;
  const message = `unknown option ${JSON.stringify(unknown)}: expected one of ${keys.join(', ')}`;
  throw new VectorStoreError(message, 'invalid_option');
}

/**
 * @param {unknown} options
 * @param {string[]} more Other options that the call takes.
 * @returns {import('./storage.mjs').StorageOptions}
 */
function storageOptions(options, ...more) {
  const { directory, signal } = known(optionsOf(options), ['directory', 'signal', ...more]);
  if (directory !== undefined && directory !== null && typeof directory !== 'string') {
    throw new VectorStoreError(`option directory: expected a string, got ${describe(directory)}`, 'invalid_option');
  }
  if (signal !== undefined && signal !== null && !isSignal(signal)) {
    throw new VectorStoreError(`option signal: expected an AbortSignal, got ${describe(signal)}`, 'invalid_option');
  }
  return { directory: directory ?? undefined, signal: /** @type {AbortSignal | null | undefined} */ (signal) ?? undefined };
}
