// @ts-check
// What the WebAssembly module asks of JavaScript: shapes, loops over numbers, and what only the platform has.

import { VectorStoreError } from './error.mjs';

/** @type {Set<(reason: unknown) => void>} */
const underWay = new Set();
/** @type {VectorStoreError | undefined} */
let broken;

/**
 * Called by the module's panic hook, just before it ends: the calls it was working on would wait for ever.
 * @param {string} message
 */
export function panicked(message) {
  broken = new VectorStoreError(`a defect in twindex ended its WebAssembly module: ${message}`, 'internal_error');
  for (const reject of [...underWay]) reject(broken);
}

/**
 * Runs a call into the module; a trap, which is a defect, ends it and every later one with `internal_error`.
 * @template T
 * @param {() => Promise<T>} start
 * @returns {Promise<T>}
 */
export function guarded(start) {
  return new Promise((resolve, reject) => {
    if (broken) return reject(broken);
    underWay.add(reject);
    /** @param {unknown} reason */
    const fail = (reason) => {
      underWay.delete(reject);
      if (reason instanceof WebAssembly.RuntimeError) panicked(reason.message);
      reject(broken ?? reason);
    };
    try {
      start().then((value) => {
        underWay.delete(reject);
        resolve(value);
      }, fail);
    } catch (thrown) {
      fail(thrown);
    }
  });
}

/** The document that {@link inspect} saw last, read once. @type {{ pageContent: string, id: string, metadata: unknown }} */
let seen;

/**
 * Looks at a document: 0 if anything about it is out of the ordinary, and it has to be taken apart step by step; else 1, and 2 more if it has an
 * id, and 4 more if it has metadata.
 * @param {unknown[]} list
 * @param {number} at
 * @param {number} longest
 */
export function inspect(list, at, longest) {
  const document = /** @type {any} */ (list[at]);
  if (typeof document !== 'object' || document === null) return 0;
  const { pageContent, id, metadata } = document;
  /** @param {unknown} text */
  const ordinary = (text) => typeof text === 'string' && text.length <= longest && isWellFormed(text);
  if (!ordinary(pageContent) || !(id === undefined || id === null || ordinary(id))) return 0;
  seen = { pageContent, id, metadata };
  return 1 + (typeof id === 'string' ? 2 : 0) + (metadata === undefined || metadata === null ? 0 : 4);
}

export const seenText = () => seen.pageContent;
export const seenId = () => seen.id;
export const seenMetadata = () => seen.metadata;

/**
 * @param {string} pageContent
 * @param {unknown} metadata
 * @param {string} id
 */
export const makeDocument = (pageContent, metadata, id) => ({ pageContent, metadata, id });

/**
 * @param {object} object
 * @param {string} key
 * @param {unknown} value
 */
export function setOwn(object, key, value) {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/**
 * @param {Record<string, unknown>} object
 * @param {string} known
 */
export const unknownKey = (object, known) =>
  Object.keys(object).find((key) => object[key] !== undefined && !known.split(', ').includes(key));

/** @param {bigint} bigint */
export const digitsOf = (bigint) => bigint.toString();

const HALF = /\p{Surrogate}/u;

/** @type {(text: string) => boolean} */
export const isWellFormed =
  'isWellFormed' in String.prototype ? (text) => /** @type {any} */ (text).isWellFormed() : (text) => !HALF.test(text);

/**
 * What a value is, in words.
 * @param {unknown} value
 * @returns {string}
 */
export function describe(value) {
  try {
    if (value === null || value === undefined || typeof value === 'boolean') return String(value);
    if (typeof value === 'number') return `the number ${value}`;
    if (typeof value === 'bigint') return `the bigint ${value}`;
    if (typeof value === 'string') return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
    if (typeof value === 'function') return 'a function';
    if (typeof value === 'symbol') return 'a symbol';
    if (Array.isArray(value)) return `a list of ${value.length}`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === 'string' && name !== 'Object' ? `an instance of ${name}` : 'an object';
  } catch {
    return 'an object that cannot be looked at';
  }
}

/**
 * @param {unknown} value
 * @returns {boolean}
 */
export function isPlainObject(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  // Of another realm too: the prototype that stands at the root of its chain.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * @param {unknown} view
 * @returns {boolean}
 */
export function isDetached(view) {
  const { buffer } = /** @type {ArrayBufferView} */ (view);
  if (buffer.byteLength > 0) return false;
  try {
    return !new Uint8Array(buffer);
  } catch {
    return true;
  }
}

/**
 * Lays vectors side by side, each number checked: nothing is turned into a number that is none.
 *
 * What is wrong is told as `[row, component, value]` (component -1: the vector itself is no list of numbers), or `[row, length]` for a vector of
 * another length than `dim`, which is the first one's unless it is above 0.
 * @param {ArrayLike<unknown>} vectors
 * @param {number} dim
 * @returns {Float32Array | [number, number] | [number, number, unknown]}
 */
export function pack(vectors, dim) {
  /** @type {Float32Array | undefined} */
  let packed;
  for (let row = 0; row < vectors.length; row++) {
    const vector = vectors[row];
    const typed = vector instanceof Float32Array || vector instanceof Float64Array;
    if (!(typed || Array.isArray(vector)) || (typed && isDetached(vector))) return [row, -1, vector];
    if (!packed) {
      dim ||= vector.length;
      packed = newFloats(dim * vectors.length);
    }
    if (vector.length !== dim) return [row, vector.length];
    const start = row * dim;
    if (typed) {
      packed.set(vector, start);
    } else {
      for (let i = 0; i < dim; i++) {
        const number = vector[i];
        if (typeof number !== 'number') return [row, i, number];
        packed[start + i] = number;
      }
    }
  }
  return packed ?? new Float32Array(0);
}

/** @param {number} length */
export const newBytes = (length) => new Uint8Array(length);

/** @param {number} length */
export const newFloats = (length) => new Float32Array(length);

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export function untilAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** @param {number} length */
export const randomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

/**
 * @param {string} code
 * @param {string} before
 * @param {number[]} numbers
 */
export const makeWarning = (code, before, numbers) => ({ code, message: `${before} ${numbers.join(', ')}` });

/** @param {{ code: string, message: string }} warning */
export const warn = ({ code, message }) => console.warn(`twindex: ${code}: ${message}`);
