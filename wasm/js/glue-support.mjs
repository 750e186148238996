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
  broken ??= new VectorStoreError(`a defect in twindex ended its WebAssembly module: ${message}`, 'internal_error');
  for (const reject of [...underWay]) reject(broken);
}

/** Whether a defect has ended the module: it takes no call any more, nor what is given back to it. */
export const isBroken = () => broken !== undefined;

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

/**
 * @param {string} what
 * @param {string} expected
 * @param {unknown} actual
 */
export const wrong = (what, expected, actual) =>
  new VectorStoreError(`${what}: expected ${expected}, got ${describe(actual)}`, 'invalid_argument');

/** The document that {@link inspect} saw last, read once. @type {{ pageContent: string, id: string, metadata: unknown }} */
let seen;

/**
 * Reads a document: one call in place of a dozen for each. Returns what it has: 1 an id, 2 metadata, 4 a text so long that there may be no
 * memory for it.
 *
 * @param {unknown[]} list
 * @param {number} at
 * @param {number} long
 */
export function inspect(list, at, long) {
  const document = /** @type {any} */ (list[at]);
  if (typeof document !== 'object' || document === null) {
    throw wrong(`documents[${at}]`, 'a document, { pageContent, metadata?, id? }', document);
  }
  try {
    const { pageContent, id, metadata } = document;
    seen = { pageContent, id, metadata };
  } catch (cause) {
    throw new VectorStoreError(`documents[${at}] cannot be read: ${describe(cause)}`, 'invalid_argument', { cause });
  }
  checkText(seen.pageContent, at, 'pageContent');
  const hasId = seen.id !== undefined && seen.id !== null;
  if (hasId) checkText(seen.id, at, 'id');
  const hasMetadata = seen.metadata !== undefined && seen.metadata !== null;
  return (hasId ? 1 : 0) + (hasMetadata ? 2 : 0) + (seen.pageContent.length > long ? 4 : 0);
}

/**
 * @param {unknown} value
 * @param {number} at
 * @param {string} field
 */
function checkText(value, at, field) {
  if (typeof value !== 'string') throw wrong(`documents[${at}].${field}`, 'a string', value);
  if (!isWellFormed(value)) throw wrong(`documents[${at}].${field}`, 'a string of well-formed Unicode', value);
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
    if (typeof value === 'symbol') return value === HOLE ? 'nothing, a hole in the list' : 'a symbol';
    if (Array.isArray(value)) return `a list of ${value.length}`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === 'string' && name !== 'Object' ? `an instance of ${name}` : 'an object';
  } catch {
    return 'an object that cannot be looked at';
  }
}

/**
 * Runs what the module asks to be run soon. A trap there would be nobody's to catch.
 *
 * @param {() => void} work
 */
export function soon(work) {
  queueMicrotask(() => {
    try {
      work();
    } catch (trap) {
      panicked(describe(trap));
    }
  });
}

// What follows takes the caller's values apart. It may throw what their getters and proxies throw; what it returns no longer can.

/** Stands where a list has a hole, and ends it. */
const HOLE = Symbol('a hole');

/**
 * The items of a list, up to the first hole.
 *
 * @param {unknown} value
 */
export function listOf(value) {
  if (!Array.isArray(value)) return undefined;
  /** @type {unknown[]} */
  const items = [];
  const { length } = value;
  for (let at = 0; at < length; at++) {
    const item = value[at];
    if (item === undefined && !(at in value)) {
      items.push(HOLE);
      break;
    }
    items.push(item);
  }
  return items;
}

/**
 * Whether this is an object as JSON has it: no list, no instance of a class, of any realm.
 *
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isPlainObject(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  // Of another realm too: the prototype that stands at the root of its chain.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Keys and values in turn of a plain object.
 *
 * @param {unknown} value
 */
export function fieldsOf(value) {
  if (!isPlainObject(value)) return undefined;
  // As JSON.stringify and optional fields have it, an undefined value counts as absent.
  return Object.entries(value).flatMap((entry) => (entry[1] === undefined ? [] : entry));
}

/**
 * The options given, if all are known; the first unknown key; undefined if these are no options.
 *
 * @param {unknown} value
 * @param {string} known
 */
export function optionsOf(value, known) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const given = Object.entries(value).filter((entry) => entry[1] !== undefined);
  const unknown = given.find(([key]) => !known.split(', ').includes(key));
  return unknown ? unknown[0] : Object.fromEntries(given);
}

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype);
/** @type {(object: object, key: PropertyKey) => (this: unknown) => any} */
const getter = (object, key) => /** @type {any} */ (Object.getOwnPropertyDescriptor(object, key)?.get);
const kindOf = getter(TypedArray, Symbol.toStringTag);
const bufferOf = getter(TypedArray, 'buffer');
const offsetOf = getter(TypedArray, 'byteOffset');
const lengthOf = getter(TypedArray, 'length');
const sizeOf = getter(ArrayBuffer.prototype, 'byteLength');
const VIEWS = { Float32Array, Float64Array, Uint8Array };

/**
 * A typed array or an array buffer of any realm, as a typed array of this one over the same memory; null if that was given away.
 *
 * @param {unknown} value
 * @returns {Float32Array | Float64Array | Uint8Array | null | undefined}
 */
export function viewOf(value) {
  // What the engine itself says of the value, not what properties and prototypes do.
  const kind = /** @type {keyof typeof VIEWS | undefined} */ (kindOf.call(value));
  let buffer = value;
  if (kind !== undefined) {
    if (!(kind in VIEWS)) return undefined;
    buffer = bufferOf.call(value);
  } else {
    try {
      sizeOf.call(value);
    } catch {
      return undefined;
    }
  }
  try {
    const memory = /** @type {ArrayBuffer} */ (buffer);
    return kind ? new VIEWS[kind](memory, offsetOf.call(value), lengthOf.call(value)) : new Uint8Array(memory);
  } catch {
    return null;
  }
}

/** Whether the memory of a typed array or a buffer was given away. @param {unknown} value */
export const isDetached = (value) => viewOf(ArrayBuffer.isView(value) ? value.buffer : value) === null;

/**
 * Lays the vectors of a list side by side, each number checked: nothing is turned into a number that is none.
 *
 * What is wrong is told as `[row, component, value]` (component -1: the vector itself is no list of numbers), or `[row, length]` for a vector of
 * another length than `dim`, which is the first one's unless it is above 0; null if there is no memory.
 *
 * @param {unknown[]} vectors
 * @param {number} dim
 * @returns {Float32Array | [number, number] | [number, number, unknown] | null}
 */
export function pack(vectors, dim) {
  /** @type {Float32Array | undefined} */
  let packed;
  for (let row = 0; row < vectors.length; row++) {
    const typed = viewOf(vectors[row]);
    const vector = typed === undefined ? vectors[row] : typed;
    if (!Array.isArray(vector) && !(vector instanceof Float32Array || vector instanceof Float64Array)) {
      return [row, -1, vectors[row]];
    }
    const { length } = vector;
    if (!packed) {
      dim ||= length;
      try {
        packed = newFloats(dim * vectors.length);
      } catch {
        return null;
      }
    }
    if (length !== dim) return [row, length];
    const start = row * dim;
    if (typed) {
      packed.set(typed, start);
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

const abortedOf = getter(AbortSignal.prototype, 'aborted');
const reasonOf = getter(AbortSignal.prototype, 'reason');

/** @param {unknown} value */
export function isSignal(value) {
  try {
    return typeof abortedOf.call(value) === 'boolean';
  } catch {
    return false;
  }
}

/** @param {AbortSignal} signal */
export const aborted = (signal) => abortedOf.call(signal);

/** @param {AbortSignal} signal */
export const reason = (signal) => reasonOf.call(signal);

/**
 * A promise of a value that may be one, or whatever has a `then`.
 *
 * @param {unknown} value
 */
export const settled = (value) => new Promise((resolve) => resolve(value));

/**
 * @param {Promise<unknown>} promise
 * @param {AbortSignal} signal
 */
export function untilAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const { addEventListener, removeEventListener } = EventTarget.prototype;
    const abort = () => reject(reason(signal));
    addEventListener.call(signal, 'abort', abort);
    if (aborted(signal)) abort();
    const done = () => removeEventListener.call(signal, 'abort', abort);
    promise.then(resolve, reject).then(done);
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
