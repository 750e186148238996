// Hands on what the CommonJS build exports, and tells it where bundlers put the files beside it.

import places from './places.cjs';
import worker from './worker-node.cjs';

places.give('worker-host-node.cjs', String(new URL('./worker-host-node.cjs', import.meta.url)));
places.give('twindex.wasm', String(new URL('./twindex.wasm', import.meta.url)));
places.give('twindex-relaxed.wasm', String(new URL('./twindex-relaxed.wasm', import.meta.url)));
places.give('twindex-interop.wasm', String(new URL('./twindex-interop.wasm', import.meta.url)));

export const { VectorStore, VectorStoreError, init, terminate, version } = worker;
