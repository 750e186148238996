// @ts-check
// What the storages of browsers and of Node share: what they promise, and names.
import { VectorStoreError } from './error.mjs';

/**
 * @typedef {object} StorageOptions
 * @property {string | undefined} [directory]
 * @property {AbortSignal | undefined} [signal]
 */

/**
 * Saved bytes, to be read while `load` holds them. A `Blob` is such.
 *
 * @typedef {object} Saved
 * @property {number} size
 * @property {() => ReadableStream<Uint8Array<ArrayBuffer>>} stream
 */

/**
 * Where stores are kept by name. Everything it rejects with is a `VectorStoreError`, or the reason of an aborted signal.
 *
 * @typedef {object} Storage
 * @property {(name: string, chunks: readonly Uint8Array<ArrayBuffer>[], options?: StorageOptions) => Promise<void>} save
 *   Writes the chunks one after another; they are not empty, and stay valid until the promise settles. Whoever loads the name meanwhile, or
 *   after this tab or process died, gets the old bytes or the new ones, whole. An aborted save that rejects has changed nothing.
 * @property {<T>(name: string, options: StorageOptions, read: (saved: Saved) => T | Promise<T>) => Promise<T>} load
 *   What `read` makes of the saved bytes. They are only there until it settles: a browser's `File` cannot be read any more once a save has
 *   replaced it, so saves of the name wait for `read`, which must not save or remove it.
 * @property {(options?: StorageOptions) => Promise<string[]>} list The names there are, sorted.
 * @property {(name: string, options?: StorageOptions) => Promise<boolean>} remove Whether there was one.
 */

/** Leaves room for the rest of a temporary file's name within the 255 bytes that file systems take. */
const LONGEST_NAME = 200;

const PIECE = 4 << 20;

/**
 * Whether this is a plain file name on every system.
 *
 * @param {unknown} name
 * @returns {name is string}
 */
export function isPlain(name) {
  return (
    typeof name === 'string' &&
    !/^\.{0,2}$|[/\\\0]|\p{Surrogate}/u.test(name) &&
    new TextEncoder().encode(name).length <= LONGEST_NAME
  );
}

/**
 * @param {unknown} name
 * @returns {asserts name is string}
 */
export function checkName(name) {
  if (isPlain(name)) return;
  throw new VectorStoreError(
    `an index name is a file name without folders, of at most ${LONGEST_NAME} bytes, got ${shown(name)}`,
    'invalid_index_name',
  );
}

/** @param {unknown} value */
export function shown(value) {
  return typeof value === 'string' ? JSON.stringify(value) : value === null ? 'null' : typeof value;
}

/**
 * The bytes in pieces small enough to copy, ending early if the signal aborts. Lengths are those at the time of the call, so that a chunk that
 * is detached later is an error, not fewer bytes.
 *
 * @param {readonly Uint8Array<ArrayBuffer>[]} chunks
 * @param {AbortSignal | undefined} signal
 */
export function pieces(chunks, signal) {
  const measured = chunks.map((chunk) => ({ chunk, length: chunk.length }));
  return (function* () {
    for (const { chunk, length } of measured) {
      for (let start = 0; start < length; start += PIECE) {
        signal?.throwIfAborted();
        yield chunk.subarray(start, start + PIECE);
      }
    }
    signal?.throwIfAborted();
  })();
}
