// @ts-check
// The entry point for Node. It is built to one CommonJS file, which the ES module hands on: both see one class.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';
import { find } from './places.cjs';
import { setPlatform } from './platform.mjs';
import { relaxedIsSound } from './sound.mjs';
import { storage } from './storage-node.mjs';

export { VectorStoreError } from './error.mjs';
export { init, initInterop } from './load.mjs';
export { VectorStore } from './store.mjs';
export { version } from './version.mjs';

/** @param {string} path */
async function read(path) {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new VectorStoreError(`the WebAssembly module cannot be read: ${describe(cause)}`, 'wasm_unavailable', { cause });
  }
}

setPlatform({
  ownWasm: (which) => read(find(which ? `twindex-${which}.wasm` : 'twindex.wasm')),
  interop: () => import('./interop-entry.mjs'),
  wasmAt: async (place) => {
    if (place.startsWith('file:')) return read(fileURLToPath(place));
    return /^(?:https?|data|blob):/.test(place) ? fetch(place) : read(place);
  },
  relaxedIsSound,
  storage,
});
