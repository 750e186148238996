// @ts-check
// The entry point for browsers, workers, bundlers and edge runtimes.

import { setPlatform } from './platform.mjs';
import { settled } from './settled.mjs';
import { storage } from './storage-web.mjs';

export { VectorStoreError } from './error.mjs';
export { init, initInterop } from './load.mjs';
export { VectorStore } from './store.mjs';
export { version } from './version.mjs';

setPlatform({
  // Bundlers look for these very expressions. What some of them make of the URL is good for nothing but its text.
  ownWasm: (which) =>
    fetch(
      settled(
        which === 'relaxed'
          ? String(new URL('./twindex-relaxed.wasm', import.meta.url))
          : which
            ? String(new URL('./twindex-interop.wasm', import.meta.url))
            : String(new URL('./twindex.wasm', import.meta.url)),
      ),
    ),
  interop: () => import('./interop-entry.mjs'),
  wasmAt: (place) => fetch(place),
  relaxedIsSound: true,
  storage,
});
