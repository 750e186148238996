// @ts-check

/**
 * What differs between a browser and Node. Each entry point sets it, once, before anything is called.
 *
 * @typedef {object} Platform
 * @property {(which: '' | 'relaxed' | 'interop') => Promise<BufferSource | Response> | BufferSource | Response} ownWasm The package's own binaries.
 * @property {() => Promise<typeof import('./interop-entry.mjs')>} interop What goes with the binary of that name.
 * @property {(place: string) => Promise<BufferSource | Response>} wasmAt A binary at a place that somebody gave.
 * @property {boolean} relaxedIsSound Whether this engine's relaxed SIMD can be trusted where it has it.
 * @property {import('./storage.mjs').Storage} storage Where stores are saved.
 */

/** @type {Platform | undefined} */
let platform;

/** @param {Platform} own */
export function setPlatform(own) {
  platform = own;
}

/** @returns {Platform} */
export function getPlatform() {
  if (!platform) throw new TypeError('the entry point of the package has not run');
  return platform;
}
