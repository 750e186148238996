// @ts-check
// The calling thread's end of `twindex/embed`: starts a worker for a model, posts texts to it a batch at a time.

import { openCache } from './embed-cache.mjs';
import { NAMES } from './embed-files.mjs';
import { VectorStoreError } from './error.mjs';
import { aborted, describe, isPlainObject, isSignal, isWellFormed, optionsOf, reason, untilAborted, wrong } from './glue-support.mjs';
import { ownBytes, unpackError } from './rpc-values.mjs';

/** @typedef {import('./embed-cache.mjs').Files} Files */
/** @typedef {import('./embed-cache.mjs').Model} Model */
/** @typedef {import('./embed-files.mjs').Place} Place */
/** @typedef {import('./rpc-values.mjs').PackedError} PackedError */

/** @typedef {string | ArrayBuffer | Uint8Array<ArrayBuffer> | WebAssembly.Module} Wasm */

/** @typedef {{ type: 'load', call: number, model: Model, cache: string | undefined, wasm: Wasm | undefined }} Load */

/** @typedef {{ dim: number, maxSeqLength: number, cached: boolean }} Loaded */

/** @typedef {Load | { type: 'embed', call: number, texts: string[], numbers: Uint32Array }} ToEmbedHost */

/**
 * @typedef {{ type: 'progress', loaded: number, total: number | null }
 *   | { type: 'answer', call: number, value: Loaded | Float32Array<ArrayBuffer> }
 *   | { type: 'answer', call: number, error: PackedError }
 * } ToEmbedClient
 */

/** @typedef {import('./rpc-client.mjs').Thread<ToEmbedHost, ToEmbedClient>} Thread */

/**
 * What differs between a browser and Node.
 *
 * @typedef {object} Platform
 * @property {(worker: any) => Thread} start Starts a worker, the package's own unless a URL is given, or takes one that runs.
 * @property {(place: string) => string} resolve The URL of a place that somebody gave.
 * @property {string | undefined} wasm Where the package's own module is, if the worker is to be told.
 */

/** Texts computed between two looks at what else waits. */
const BATCH = 16;
const LARGEST_BATCH = 65_536;

const CACHE = 'twindex-models';

/** A worker, and what it has not answered. */
class Connection {
  #thread;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (reason: unknown) => void }>} */
  #calls = new Map();
  #last = 0;
  /** @type {VectorStoreError | undefined} */
  failure;
  /** @type {(loaded: number, total: number | null) => void} */
  onProgress = () => {};

  /** @param {Thread} thread */
  constructor(thread) {
    this.#thread = thread;
    thread.keep(false);
    thread.listen(
      (message) => (message.type === 'progress' ? this.onProgress(message.loaded, message.total) : this.#settle(message)),
      (cause) => this.end(new VectorStoreError(`the worker failed: ${describe(cause)}`, 'worker_failed', { cause })),
    );
  }

  /**
   * @param {(call: number) => ToEmbedHost} message
   * @param {Transferable[]} transfer
   * @returns {Promise<any>}
   */
  call(message, transfer = []) {
    return new Promise((resolve, reject) => {
      if (this.failure) throw this.failure;
      const call = ++this.#last;
      this.#thread.post(message(call), transfer);
      this.#calls.set(call, { resolve, reject });
      if (this.#calls.size === 1) this.#thread.keep(true);
    });
  }

  /** @param {Exclude<ToEmbedClient, { type: 'progress' }>} answer */
  #settle(answer) {
    const call = this.#calls.get(answer.call);
    if (!call) return;
    this.#calls.delete(answer.call);
    if (this.#calls.size === 0) this.#thread.keep(false);
    if ('error' in answer) call.reject(unpackError(answer.error));
    else call.resolve(answer.value);
  }

  /**
   * Ends the worker: every call that waits, and every later one, rejects.
   *
   * @param {VectorStoreError} failure
   */
  end(failure) {
    if (this.failure) return;
    this.failure = failure;
    for (const { reject } of this.#calls.values()) reject(failure);
    this.#calls.clear();
    this.#thread.end();
  }
}

const freed = () => new VectorStoreError('these embeddings were freed', 'embeddings_freed');

/** Ends the workers of models that are forgotten. */
const forgotten = new FinalizationRegistry((/** @type {Connection} */ connection) => connection.end(freed()));

/** Says that a constructor's caller is `load`. */
const OWN = Symbol('load');

/** @param {Platform} platform */
export function classOver(platform) {
  /** See `embed.d.ts`. */
  class LocalEmbeddings {
    #connection;

    /**
     * @param {symbol} caller
     * @param {Connection} connection
     * @param {Loaded} loaded
     */
    constructor(caller, connection, { dim, maxSeqLength, cached } = /** @type {any} */ ({})) {
      if (caller !== OWN) {
        throw new VectorStoreError('expected LocalEmbeddings.load(options): it has no constructor of its own', 'invalid_argument');
      }
      this.#connection = connection;
      /** @readonly */ this.dim = dim;
      /** @readonly */ this.maxSeqLength = maxSeqLength;
      /** @readonly */ this.cached = cached;
      forgotten.register(this, connection, this);
    }

    /** @param {unknown} options */
    static async load(options) {
      const { model, cache, onProgress, signal, wasm, worker } = optionsIn(options, 'model, cache, onProgress, signal, wasm, worker');
      const given = modelOf(model, platform);
      const name = cacheOf(cache);
      const binary = wasmOf(wasm, platform);
      const report = functionOf(onProgress);
      const abort = signalOf(signal);
      if (abort && aborted(abort)) throw reason(abort);
      const connection = new Connection(started(platform, worker));
      try {
        /** @type {Promise<never>} */
        const thrown = new Promise((_, reject) => {
          connection.onProgress = (loaded, total) => {
            try {
              report?.({ loaded, total });
            } catch (error) {
              reject(error);
            }
          };
        });
        const { files, transfer } = taken(given);
        const load = connection.call((call) => ({ type: 'load', call, model: files, cache: name, wasm: binary }), transfer);
        const loaded = await orAborted(Promise.race([load, thrown]), abort);
        return new LocalEmbeddings(OWN, connection, /** @type {Loaded} */ (loaded));
      } catch (error) {
        connection.end(freed());
        throw error;
      }
    }

    /** @param {unknown} options */
    static async isCached(options) {
      const { model, cache } = optionsIn(options, 'model, cache');
      const given = modelOf(model, platform);
      const kept = await openCache(cacheOf(cache));
      return (await kept?.filesOf(given)) !== undefined;
    }

    /** @param {unknown} options */
    static async removeCached(options) {
      const { model, cache } = optionsIn(options, 'model, cache');
      const given = modelOf(model, platform);
      const kept = await openCache(cacheOf(cache));
      return (await kept?.forget(given)) ?? false;
    }

    /**
     * @param {unknown} texts
     * @param {unknown} [options]
     */
    async embedDocuments(texts, options = {}) {
      if (!Array.isArray(texts)) throw wrong('texts', 'a list of strings', texts);
      const list = Array.from(texts, (text, i) => textOf(`texts[${i}]`, text));
      const { batchSize, onProgress, signal } = optionsIn(options, 'batchSize, onProgress, signal');
      const size = sizeOf(batchSize);
      const report = functionOf(onProgress);
      const abort = signalOf(signal);
      /** @type {Float32Array<ArrayBuffer>[]} */
      const vectors = new Array(list.length);
      this.#check(abort);
      // Texts of like length side by side: a batch costs as much as its longest.
      const order = list.map((_, i) => i).sort((a, b) => list[a].length - list[b].length);
      for (let done = 0; done < order.length; ) {
        const batch = order.slice(done, done + size);
        const rows = await this.#embed(batch.map((i) => list[i]), batch, abort);
        batch.forEach((i, row) => (vectors[i] = rows.slice(row * this.dim, (row + 1) * this.dim)));
        done += batch.length;
        await report?.({ done, total: order.length });
        this.#check(abort);
      }
      return vectors;
    }

    /**
     * @param {unknown} text
     * @param {unknown} [options]
     */
    async embedQuery(text, options = {}) {
      const { signal } = optionsIn(options, 'signal');
      return this.#embed([textOf('text', text)], [0], signalOf(signal));
    }

    /**
     * @param {string[]} texts
     * @param {number[]} numbers
     * @param {AbortSignal | undefined} signal
     * @returns {Promise<Float32Array<ArrayBuffer>>}
     */
    async #embed(texts, numbers, signal) {
      this.#check(signal);
      const answer = this.#connection.call((call) => ({ type: 'embed', call, texts, numbers: Uint32Array.from(numbers) }));
      return orAborted(answer, signal);
    }

    /** @param {AbortSignal | undefined} signal */
    #check(signal) {
      if (this.#connection.failure) throw this.#connection.failure;
      if (signal && aborted(signal)) throw reason(signal);
    }

    free() {
      forgotten.unregister(this);
      this.#connection.end(freed());
    }
  }
  // Bundlers rename it.
  Object.defineProperty(LocalEmbeddings, 'name', { value: 'LocalEmbeddings', configurable: true });
  // Engines that have no `using` have no such symbol.
  if (typeof Symbol.dispose === 'symbol') {
    Object.defineProperty(LocalEmbeddings.prototype, Symbol.dispose, {
      value: LocalEmbeddings.prototype.free,
      configurable: true,
      writable: true,
    });
  }
  return LocalEmbeddings;
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<T>}
 */
function orAborted(promise, signal) {
  return signal ? /** @type {Promise<T>} */ (untilAborted(promise, signal)) : promise;
}

/**
 * @param {Platform} platform
 * @param {unknown} worker
 */
function started(platform, worker) {
  try {
    return platform.start(worker);
  } catch (cause) {
    if (cause instanceof VectorStoreError) throw cause;
    throw new VectorStoreError(`the worker cannot be started: ${describe(cause)}`, 'worker_failed', { cause });
  }
}

/**
 * @param {unknown} options
 * @param {string} known
 * @returns {Record<string, unknown>}
 */
function optionsIn(options, known) {
  const given = optionsOf(options, known);
  if (given === undefined) throw wrong('options', 'an object', options);
  if (typeof given === 'string') {
    throw new VectorStoreError(`unknown option ${JSON.stringify(given)}: expected one of ${known}`, 'invalid_option');
  }
  return given;
}

/**
 * @param {string} option
 * @param {string} expected
 * @param {unknown} value
 */
const wrongOption = (option, expected, value) =>
  new VectorStoreError(`option ${option}: expected ${expected}, got ${describe(value)}`, 'invalid_option');

/**
 * @param {unknown} model
 * @param {Platform} platform
 * @returns {Model}
 */
function modelOf(model, platform) {
  if (typeof model === 'string' || model instanceof URL) {
    const url = new URL(platform.resolve(String(model)));
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    return { folder: url.href };
  }
  if (!isPlainObject(model)) throw wrongOption('model', 'the URL of a folder, or an object of files', model);
  /** @type {Record<string, Place>} */
  const files = {};
  for (const [name, file] of Object.entries(model)) {
    if (!(name in NAMES)) {
      throw new VectorStoreError(`option model: expected files named ${Object.keys(NAMES).join(', ')}, got ${JSON.stringify(name)}`, 'invalid_option');
    }
    if (file !== undefined) files[name] = placeOf(`model.${name}`, file, platform);
  }
  for (const name of ['weights', 'tokenizer', 'config']) if (!(name in files)) placeOf(`model.${name}`, undefined, platform);
  return { files };
}

/**
 * @param {string} option
 * @param {unknown} file
 * @param {Platform} platform
 * @returns {Place}
 */
function placeOf(option, file, platform) {
  if (typeof file === 'string' || file instanceof URL) return platform.resolve(String(file));
  if (file instanceof Blob) return file;
  const bytes = bytesIn(file);
  if (!bytes) throw wrongOption(option, 'a URL, a Blob or bytes', file);
  return bytes;
}

/** The very memory that was given, if it is still there. @param {unknown} value */
function bytesIn(value) {
  if (value instanceof Uint8Array) return /** @type {Uint8Array<ArrayBuffer>} */ (value);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/**
 * A model whose bytes are copies, to be given to the worker.
 *
 * @param {Model} model
 * @returns {{ files: Model, transfer: ArrayBuffer[] }}
 */
function taken(model) {
  if ('folder' in model) return { files: model, transfer: [] };
  /** @type {ArrayBuffer[]} */
  const transfer = [];
  /** @type {[string, Place][]} */
  const entries = Object.entries(model.files).map(([name, place]) => {
    if (!(place instanceof Uint8Array)) return [name, place];
    const own = /** @type {Uint8Array<ArrayBuffer>} */ (ownBytes(place));
    transfer.push(own.buffer);
    return [name, own];
  });
  return { files: { files: Object.fromEntries(entries) }, transfer };
}

/** @param {unknown} cache @returns {string | undefined} */
function cacheOf(cache) {
  if (cache === undefined || cache === null || cache === true) return CACHE;
  if (cache === false) return undefined;
  if (typeof cache === 'string' && cache !== '') return cache;
  throw wrongOption('cache', 'true, false or the name of a cache', cache);
}

/**
 * @param {unknown} wasm
 * @param {Platform} platform
 * @returns {Wasm | undefined}
 */
function wasmOf(wasm, platform) {
  if (wasm === undefined || wasm === null) return platform.wasm;
  if (typeof wasm === 'string' || wasm instanceof URL) return platform.resolve(String(wasm));
  if (wasm instanceof WebAssembly.Module) return wasm;
  const bytes = bytesIn(wasm);
  if (!bytes) throw wrongOption('wasm', 'a URL, bytes or a WebAssembly.Module', wasm);
  return /** @type {Uint8Array<ArrayBuffer>} */ (ownBytes(bytes));
}

/** @param {unknown} onProgress */
function functionOf(onProgress) {
  if (onProgress === undefined || onProgress === null) return undefined;
  if (typeof onProgress !== 'function') throw wrongOption('onProgress', 'a function', onProgress);
  return onProgress;
}

/** @param {unknown} signal @returns {AbortSignal | undefined} */
function signalOf(signal) {
  if (signal === undefined || signal === null) return undefined;
  if (!isSignal(signal)) throw wrongOption('signal', 'an AbortSignal', signal);
  return /** @type {AbortSignal} */ (signal);
}

/** @param {unknown} size */
function sizeOf(size) {
  if (size === undefined || size === null) return BATCH;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1 || size > LARGEST_BATCH) {
    throw wrongOption('batchSize', `a whole number from 1 to ${LARGEST_BATCH}`, size);
  }
  return size;
}

/**
 * @param {string} what
 * @param {unknown} text
 */
function textOf(what, text) {
  if (typeof text !== 'string') throw wrong(what, 'a string', text);
  if (!isWellFormed(text)) throw wrong(what, 'a string of well-formed Unicode', text);
  return text;
}
