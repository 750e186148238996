// @ts-check
// Finds, compiles and starts the WebAssembly module, once.

import { VectorStoreError } from './error.mjs';
import { VectorStore, startModule, version as versionOfModule } from './glue.mjs';
import { describe, guarded, isBroken } from './glue-support.mjs';
import { getPlatform } from './platform.mjs';
import { version } from './version.mjs';

/** @typedef {import('./index.js').WasmSource} WasmSource */

// A module of one function, () -> v128, whose body is the last argument: the engine has an instruction if it accepts the module.
/** @param {number[]} body */
const accepts = (...body) => {
  const code = [0, ...body, 0x0b];
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0];
  return WebAssembly.validate(new Uint8Array([...head, 10, code.length + 2, 1, code.length, ...code]));
};
const ZEROS = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
const hasSimd = () => accepts(...ZEROS);
const hasRelaxedSimd = () => accepts(...ZEROS, ...ZEROS, ...ZEROS, 0xfd, 0x85, 2); // f32x4.relaxed_madd

/** What callers need of the module. */
const exported = { VectorStore, guarded, isBroken };

/** @typedef {typeof import('./interop-entry.mjs')} Interop */

/** @type {typeof exported | undefined} */
let loaded;
/** @type {Promise<typeof exported> | undefined} */
let loading;

/**
 * The module's exports: at once if it is loaded, so that a call takes in what it is given when it is called.
 *
 * @returns {typeof exported | Promise<typeof exported>}
 */
export const ready = () => loaded ?? load(undefined);

/**
 * Loads the module. See `index.d.ts`.
 *
 * @param {WasmSource} [source]
 * @returns {Promise<void>}
 */
export async function init(source) {
  await (loaded ?? load(source));
}

/** @type {Promise<Interop> | undefined} */
let interop;

/**
 * The second module, for other people's files and indexes that are not flat. See `initInterop` in `index.d.ts`.
 *
 * @param {WasmSource} [source]
 * @returns {Promise<Interop>}
 */
export function readyInterop(source) {
  interop ??= getPlatform()
    .interop()
    .then(async (module) => {
      await begin(module, source, () => getPlatform().ownWasm('interop'));
      return module;
    })
    .catch((error) => {
      interop = undefined;
      throw error;
    });
  return interop;
}

/** @param {WasmSource} [source] */
export async function initInterop(source) {
  await readyInterop(source);
}

/**
 * @param {WasmSource | undefined} source
 * @returns {Promise<typeof exported>}
 */
function load(source) {
  loading ??= instantiate(source).then(
    (exports) => (loaded = exports),
    (error) => {
      // The next call tries again: a network that was away may be back.
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/** @param {WasmSource | undefined} source */
async function instantiate(source) {
  const { ownWasm, relaxedIsSound } = getPlatform();
  await begin({ startModule, version: versionOfModule }, source, () => ownWasm(relaxedIsSound && hasRelaxedSimd() ? 'relaxed' : ''));
  return exported;
}

/**
 * @param {Pick<Interop, 'startModule' | 'version'>} module
 * @param {WasmSource | undefined} source
 * @param {() => ReturnType<import('./platform.mjs').Platform['ownWasm']>} own
 */
async function begin(module, source, own) {
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
