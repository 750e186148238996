// @ts-check
// The entry point for edge runtimes (Vercel, Cloudflare): they compile modules when they deploy, and hand them over.

import { VectorStoreError } from './error.mjs';
import { setPlatform } from './platform.mjs';
import { storage } from './storage-web.mjs';

export { VectorStoreError } from './error.mjs';
export { init, initInterop } from './load.mjs';
export { VectorStore } from './store.mjs';
export { version } from './version.mjs';

setPlatform({
  ownWasm: (which) => {
    const init = which === 'interop' ? 'initInterop' : 'init';
    const message = `expected ${init}(module) before the first call: this runtime loads no WebAssembly by itself`;
    throw new VectorStoreError(message, 'wasm_unavailable');
  },
  interop: () => import('./interop-entry.mjs'),
  wasmAt: (place) => fetch(place),
  relaxedIsSound: true,
  storage,
});
