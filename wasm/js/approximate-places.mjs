// Where bundlers put the binaries of `twindex/approximate`.

import places from './places.cjs';

places.give('twindex-approximate.wasm', String(new URL('./twindex-approximate.wasm', import.meta.url)));
places.give('twindex-approximate-relaxed.wasm', String(new URL('./twindex-approximate-relaxed.wasm', import.meta.url)));
