// @ts-check
// Finds, compiles and starts the WebAssembly module, once.

import { VectorStore, startModule, version as versionOfModule } from './glue.mjs';
import { guarded, isBroken } from './glue-support.mjs';
import { getPlatform } from './platform.mjs';
import { hasRelaxedSimd } from './simd.mjs';
import { begin } from './start.mjs';

/** @typedef {import('./index.js').WasmSource} WasmSource */

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
