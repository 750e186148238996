// Hands on what the CommonJS build exports, and tells it where bundlers put the files beside it.

import node from './node.cjs';
import places from './places.cjs';

places.give('twindex.wasm', String(new URL('./twindex.wasm', import.meta.url)));
places.give('twindex-relaxed.wasm', String(new URL('./twindex-relaxed.wasm', import.meta.url)));
places.give('twindex-interop.wasm', String(new URL('./twindex-interop.wasm', import.meta.url)));

export const { VectorStore, VectorStoreError, init, initInterop, version } = node;
