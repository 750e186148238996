// @ts-check
// Compiles and starts a WebAssembly module of the package, wherever it comes from.

import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';
import { getPlatform } from './platform.mjs';
import { hasSimd } from './simd.mjs';
import { version } from './version.mjs';

/** @typedef {import('./index.js').WasmSource} WasmSource */

/**
 * What the glue of each module has.
 *
 * @typedef {object} Startable
 * @property {(module: WebAssembly.Module) => Promise<unknown>} startModule
 * @property {() => string} version
 */

/**
 * Compiles and starts a module of the package.
 *
 * @param {Startable} module
 * @param {WasmSource | undefined} source Where it is, as somebody said.
 * @param {() => ReturnType<import('./platform.mjs').Platform['ownWasm']>} own The package's own binary.
 */
export async function begin(module, source, own) {
  if (typeof WebAssembly === 'undefined') {
    throw new VectorStoreError('this engine has no WebAssembly', 'wasm_unavailable');
  }
  if (!hasSimd()) {
    throw new VectorStoreError(
      'this engine has no WebAssembly SIMD: expected Chromium 91, Firefox 89, Safari 16.4, Node 16.4 or later',
      'simd_unavailable',
    );
  }
  try {
    await module.startModule(await compile(source, own));
  } catch (cause) {
    if (cause instanceof VectorStoreError) throw cause;
    throw unavailable('cannot be compiled and started', cause);
  }
  const actual = module.version();
  if (actual !== version) {
    throw unavailable(`is of version ${actual}, version ${version} expected`);
  }
}

/**
 * @param {string} what
 * @param {unknown} [cause]
 */
function unavailable(what, cause) {
  const why = cause === undefined ? '' : `: ${describe(cause)}`;
  return new VectorStoreError(`the WebAssembly module ${what}${why}`, 'wasm_unavailable', { cause });
}

/**
 * @param {WasmSource | undefined} source
 * @param {() => ReturnType<import('./platform.mjs').Platform['ownWasm']>} own
 * @returns {Promise<WebAssembly.Module>}
 */
async function compile(source, own) {
  let given = await source;
  // Edge runtimes make modules in a realm of their own.
  if (Object.prototype.toString.call(given) === '[object WebAssembly.Module]') return /** @type {WebAssembly.Module} */ (given);
  if (given === undefined || given === null) {
    given = await own();
  } else if (typeof given === 'string' || given instanceof URL) {
    given = await getPlatform().wasmAt(String(given));
  }
  if (typeof Response !== 'undefined' && given instanceof Response) return compileResponse(given);
  if (!(given instanceof ArrayBuffer || ArrayBuffer.isView(given))) {
    const expected = 'a URL, a Response, bytes or a WebAssembly.Module';
    throw new VectorStoreError(`source: expected ${expected}, got ${describe(given)}`, 'invalid_argument');
  }
  return compileBytes(/** @type {BufferSource} */ (given), 'the bytes given');
}

/** @param {Response} response */
async function compileResponse(response) {
  const place = response.url || 'the response';
  if (!response.ok) throw unavailable(`cannot be fetched: ${place} answered ${response.status}`);
  const type = response.headers.get('content-type')?.split(';')[0].trim();
  if (type === 'application/wasm') return WebAssembly.compileStreaming(response);
  return compileBytes(await response.arrayBuffer(), place);
}

/**
 * @param {BufferSource} bytes
 * @param {string} place
 */
function compileBytes(bytes, place) {
  const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A development server answers for a file it does not have with a page, and says that all is well.
  if (String(view.subarray(0, 4)) !== '0,97,115,109') throw unavailable(`is not at ${place}: what is there is no WebAssembly`);
  return WebAssembly.compile(view);
}
