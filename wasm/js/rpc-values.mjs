// @ts-check
// What crosses between two threads. Most values do so by themselves (structured clone). What cannot, such as
// a function, or would arrive as something else, such as an instance of a class, crosses as a stand-in of its
// kind: the store accepts it or refuses it, in the same words as it would the original.
import { VectorStoreError } from './error.mjs';
import { isDetached, isPlainObject } from './glue-support.mjs';

/** @typedef {readonly string[]} Path Where a value is: the keys that lead to it. */

/**
 * What a stand-in says, but for its place. Functions, responses, signals and stores are made by the host;
 * `id` is by what the client knows a function.
 *
 * @typedef {{ kind: 'function', id?: number }
 *   | { kind: 'response', id: number, url: string, init: ResponseInit & { status: number } }
 *   | { kind: 'signal' }
 *   | { kind: 'store', handle: number }
 *   | { kind: 'instance', name: string }
 *   | { kind: 'detached', name: string }
 *   | { kind: 'symbol', name: string }
 *   | { kind: 'unreadable', error: PackedError }
 * } Kind
 */

/** @typedef {Kind & { path: Path }} StandIn */

/** @typedef {{ value: unknown, standIns: StandIn[] }} Packed A value as it is posted. */

/**
 * Says what stands in for an object or a function.
 *
 * @typedef {(value: object) => Kind | undefined} Represent
 */

/**
 * What was thrown, as it is posted; `original` where the other side has it, and knows it by that number.
 *
 * @typedef {{ original: number }
 *   | { value: Packed }
 *   | { name: string, message: string, stack?: string, code?: string, isDom: boolean, cause?: PackedError }
 * } PackedError
 */

/**
 * Whether a value is a `Response`. To name that class would make Node load its HTTP client.
 *
 * @param {unknown} value
 * @returns {value is Response}
 */
export const isResponse = (value) => tagOf(value) === 'Response';

/** Deeper than anything that the store takes: what is below is refused for its depth whatever it is. */
const DEEPEST = 512;

/**
 * Makes ready to post.
 *
 * @param {unknown} root
 * @param {Represent} [represent]
 * @param {boolean} [whole] Whether all of it is to be copied, as it has to be where structured clone refuses
 *   it: for proxies.
 * @returns {Packed}
 */
export function pack(root, represent = () => undefined, whole = false) {
  return seal(lift(root, represent), represent, whole);
}

/**
 * Takes out what is represented at the places where functions and signals usually are: what is left, which
 * may be large, mostly need not be copied.
 *
 * @param {unknown} root
 * @param {Represent} represent
 * @returns {Packed}
 */
export function lift(root, represent) {
  /** @type {StandIn[]} */
  const standIns = [];
  return { value: lifted(root, represent, standIns, []), standIns };
}

/**
 * @param {unknown} value
 * @param {Represent} represent
 * @param {StandIn[]} standIns
 * @param {Path} path
 * @returns {unknown}
 */
function lifted(value, represent, standIns, path) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
  const kind = represent(value);
  if (kind) {
    standIns.push({ ...kind, path });
    return undefined;
  }
  // The list of arguments, options, options among options.
  if (path.length > 2 || !(path.length === 0 ? Array.isArray(value) : isPlainObject(value))) return value;
  /** @type {[string, unknown][]} */
  const changed = [];
  for (const key of Object.keys(value)) {
    const field = read(value, key);
    // Left for a copy to find.
    if ('error' in field) return value;
    const instead = lifted(field.value, represent, standIns, [...path, key]);
    if (instead !== field.value) changed.push([key, instead]);
  }
  if (changed.length === 0) return value;
  return Object.assign(Array.isArray(value) ? value.slice() : { ...value }, Object.fromEntries(changed));
}

/**
 * Makes ready to post what {@link lift} left.
 *
 * @param {Packed} packed
 * @param {Represent} represent
 * @param {boolean} whole
 * @returns {Packed}
 */
export function seal({ value, standIns }, represent, whole) {
  if (!whole && isCloneable(value)) return { value, standIns };
  const more = [...standIns];
  return { value: copy(value, represent, more, [], new Map()), standIns: more };
}

/**
 * Whether structured clone gives the same value on the other side.
 *
 * @param {unknown} root
 */
function isCloneable(root) {
  let looks = 0;
  const seen = new Set();
  /** How much of each buffer is looked at. @type {Map<ArrayBufferLike, number>} */
  const viewed = new Map();
  /**
   * @param {unknown} value
   * @param {number} depth
   * @returns {boolean}
   */
  const check = (value, depth) => {
    if (typeof value === 'function' || typeof value === 'symbol') return false;
    if (typeof value !== 'object' || value === null) return true;
    // To note where it has been would take most of the time. What contains itself is deep, and what contains
    // much again and again is large.
    if (depth > SHALLOW || ++looks > MANY) {
      if (seen.has(value)) return true;
      seen.add(value);
    }
    if (Array.isArray(value)) return everyItem(value, depth);
    if (ArrayBuffer.isView(value)) {
      if (isDetached(value)) return false;
      viewed.set(value.buffer, (viewed.get(value.buffer) ?? 0) + value.byteLength);
      return true;
    }
    if (isPlainObject(value)) return everyField(value, depth);
    return isNative(value) && !(isDetached(value));
  };
  /** @type {(list: unknown[], depth: number) => boolean} */
  const everyItem = (list, depth) => {
    for (let i = 0; i < list.length; i++) {
      const item = list[i];
      // A list may be as good as all holes.
      if (item === undefined && !(i in list)) return everyField(list, depth);
      if (typeof item !== 'number' && !check(item, depth + 1)) return false;
    }
    return true;
  };
  /** @type {(object: object, depth: number) => boolean} */
  const everyField = (object, depth) => {
    for (const key of Object.keys(object)) {
      if (!check(/** @type {Record<string, unknown>} */ (object)[key], depth + 1)) return false;
    }
    return true;
  };
  try {
    return check(root, 0) && [...viewed].every(([buffer, bytes]) => !isMostlyUnseen(buffer, bytes));
  } catch {
    // Too deep, or a getter that throws.
    return false;
  }
}

/** Levels. */
const SHALLOW = 8;

/** Objects. */
const MANY = 1_000_000;

/**
 * Structured clone takes the whole buffer of a view along. Shared memory it does not copy at all.
 *
 * @param {ArrayBufferLike} buffer
 * @param {number} viewed
 */
function isMostlyUnseen(buffer, viewed) {
  return !(buffer instanceof ArrayBuffer) || viewed * 2 < buffer.byteLength;
}

/**
 * Whether structured clone keeps what it is.
 *
 * @param {object} value
 */
function isNative(value) {
  return NATIVE.test(tagOf(value));
}

const NATIVE =
  /^(?:ArrayBuffer|Blob|File|Date|RegExp|Error|Boolean|Number|String|BigInt|WebAssembly\.Module)$/;

/**
 * @param {unknown} value
 * @param {Represent} represent
 * @param {StandIn[]} standIns
 * @param {string[]} path
 * @param {Map<object, unknown>} copies What was copied before: an object that comes twice is one object there
 *   too.
 * @returns {unknown}
 */
function copy(value, represent, standIns, path, copies) {
  /** @param {Kind} kind */
  const standIn = (kind) => void standIns.push({ ...kind, path: [...path] });
  if (typeof value === 'symbol') return standIn({ kind: 'symbol', name: value.description ?? '' });
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
  if (copies.has(value)) return copies.get(value);
  if (path.length > DEEPEST) return null;
  const kind = represent(value);
  if (kind) return standIn(kind);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    if (isDetached(value)) {
      return standIn({ kind: 'detached', name: tagOf(value) });
    }
    const same = ownBytes(value);
    copies.set(value, same);
    return same;
  }
  if (typeof value === 'function') return standIn({ kind: 'function' });
  if (isNative(value)) return value;
  const isList = Array.isArray(value);
  const numbers = isList ? numbersOf(value) : undefined;
  if (numbers) return numbers;
  /** @type {Record<string, unknown> | unknown[]} */
  const copied = isList ? new Array(value.length) : {};
  copies.set(value, copied);
  if (!isList && !isPlainObject(value)) standIn({ kind: 'instance', name: nameOf(value) });
  for (const key of Object.keys(value)) {
    path.push(key);
    const field = read(value, key);
    if ('error' in field) standIn({ kind: 'unreadable', error: packError(field.error) });
    const item = 'error' in field ? undefined : copy(field.value, represent, standIns, path, copies);
    Object.defineProperty(copied, key, { value: item, enumerable: true, configurable: true, writable: true });
    path.pop();
  }
  return copied;
}

/**
 * A copy of a list of nothing but numbers.
 *
 * @param {unknown[]} list
 */
function numbersOf(list) {
  try {
    const copied = Array.prototype.slice.call(list);
    return copied.every((item) => typeof item === 'number') ? copied : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {object} object
 * @param {string} key
 * @returns {{ value: unknown } | { error: unknown }}
 */
function read(object, key) {
  try {
    return { value: /** @type {Record<string, unknown>} */ (object)[key] };
  } catch (error) {
    return { error };
  }
}

/** @param {object} value */
function nameOf(value) {
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === 'string' ? name : 'Object';
}

/**
 * A copy of what a view shows, in memory of its own.
 *
 * @param {ArrayBufferView | ArrayBuffer} source
 * @returns {ArrayBufferView<ArrayBuffer> | ArrayBuffer}
 */
export function ownBytes(source) {
  if (source instanceof ArrayBuffer) return source.slice(0);
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return asView(source, new Uint8Array(bytes).buffer);
}

/**
 * What a view shows, with the memory taken away from its owner where that is possible: the view covers all of
 * it, and it is not shared, nor WebAssembly's, nor Node's.
 *
 * @param {ArrayBufferView | ArrayBuffer} source
 * @returns {ArrayBufferView<ArrayBuffer> | ArrayBuffer}
 */
export function takenBytes(source) {
  const buffer = source instanceof ArrayBuffer ? source : source.buffer;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== source.byteLength) return ownBytes(source);
  try {
    const taken = structuredClone(buffer, { transfer: [buffer] });
    return source instanceof ArrayBuffer ? taken : asView(source, taken);
  } catch {
    return ownBytes(source);
  }
}

/**
 * @param {ArrayBufferView} like
 * @param {ArrayBuffer} buffer
 * @returns {ArrayBufferView<ArrayBuffer>}
 */
function asView(like, buffer) {
  // Not its constructor: Node's Buffer is a Uint8Array.
  return new /** @type {any} */ (globalThis)[tagOf(like)](buffer);
}

/** @param {unknown} value */
const tagOf = (value) => Object.prototype.toString.call(value).slice(8, -1);

/**
 * Puts in place what stands in for others.
 *
 * @param {Packed} packed
 * @param {(standIn: StandIn) => unknown} make Makes what a function, a response, a signal or a store is here.
 * @returns {unknown}
 */
export function unpack({ value, standIns }, make) {
  const root = { value };
  for (const standIn of standIns) {
    const keys = ['value', ...standIn.path];
    const last = /** @type {string} */ (keys.pop());
    const parent = keys.reduce((/** @type {any} */ at, key) => at[key], root);
    if (standIn.kind === 'unreadable') {
      const { error } = standIn;
      Object.defineProperty(parent, last, {
        enumerable: true,
        get: () => {
          throw unpackError(error);
        },
      });
    } else {
      parent[last] = replaced(parent[last], standIn, make);
    }
  }
  return root.value;
}

/**
 * @param {unknown} value
 * @param {StandIn} standIn
 * @param {(standIn: StandIn) => unknown} make
 */
function replaced(value, standIn, make) {
  switch (standIn.kind) {
    case 'instance':
      return Object.setPrototypeOf(value, classNamed(standIn.name).prototype);
    case 'symbol':
      return Symbol(standIn.name);
    case 'function':
      return standIn.id === undefined ? () => {} : make(standIn);
    case 'detached': {
      const buffer = new ArrayBuffer(8);
      const view =
        standIn.name === 'ArrayBuffer' ? buffer : new /** @type {any} */ (globalThis)[standIn.name](buffer);
      structuredClone(buffer, { transfer: [buffer] });
      return view;
    }
    default:
      return make(standIn);
  }
}

/** @param {string} name */
function classNamed(name) {
  const unnamed = class {};
  return Object.defineProperty(unnamed, 'name', { value: name });
}

/**
 * What was thrown, made ready to post.
 *
 * @param {unknown} thrown
 * @param {(thrown: unknown) => number | undefined} [known] By what number the other side knows it.
 * @param {number} [depth]
 * @returns {PackedError}
 */
export function packError(thrown, known = () => undefined, depth = 0) {
  const original = known(thrown);
  if (original !== undefined) return { original };
  if (!isError(thrown)) return { value: packSafely(thrown) };
  const [name, message, stack, cause] = ['name', 'message', 'stack', 'cause'].map((key) => read(thrown, key));
  const isDom = tagOf(thrown) === 'DOMException';
  /** @type {PackedError} */
  const packed = { name: textOf(name), message: textOf(message), isDom };
  if ('value' in stack && typeof stack.value === 'string') packed.stack = stack.value;
  if (thrown instanceof VectorStoreError) packed.code = thrown.code;
  if ('cause' in thrown && 'value' in cause && depth < MOST_CAUSES) {
    packed.cause = packError(cause.value, known, depth + 1);
  }
  return packed;
}

/** @param {unknown} thrown */
function packSafely(thrown) {
  try {
    return pack(thrown, undefined, true);
  } catch {
    // A proxy that nothing can be asked of.
    return pack({});
  }
}

/** @param {{ value: unknown } | { error: unknown }} field */
const textOf = (field) => ('value' in field && typeof field.value !== 'object' ? String(field.value) : '');

/** Errors can be their own causes. */
const MOST_CAUSES = 8;

/**
 * Of another realm too.
 *
 * @param {unknown} value
 * @returns {value is Error}
 */
function isError(value) {
  return value instanceof Error || tagOf(value) === 'Error';
}

/**
 * @param {PackedError} packed
 * @param {(original: number) => unknown} [find] What this side knows by a number.
 * @returns {unknown}
 */
export function unpackError(packed, find = () => undefined) {
  if ('original' in packed) return find(packed.original);
  if ('value' in packed) return unpack(packed.value, () => undefined);
  const { name, message, stack, code, isDom, cause } = packed;
  const options = cause ? { cause: unpackError(cause, find) } : undefined;
  const error =
    code !== undefined
      ? new VectorStoreError(message, code, options)
      : isDom
        ? Object.assign(new DOMException(message, name), options)
        : named(new (ERRORS.get(name) ?? Error)(message, options), name);
  if (stack) Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return error;
}

/**
 * @param {Error} error
 * @param {string} name
 */
function named(error, name) {
  if (error.name === name) return error;
  return Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
}

/** Errors that keep their class. @type {Map<string, ErrorConstructor>} */
const ERRORS = new Map(
  [RangeError, ReferenceError, SyntaxError, TypeError].map((error) => [error.name, error]),
);
