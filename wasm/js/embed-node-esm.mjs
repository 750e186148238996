// Hands on what the CommonJS build exports, and tells it where bundlers put the files beside it.

import embed from './embed-node.cjs';
import places from './places.cjs';

places.give('embed-host-node.cjs', String(new URL('./embed-host-node.cjs', import.meta.url)));
places.give('twindex-embed.wasm', String(new URL('./twindex-embed.wasm', import.meta.url)));

export const { LocalEmbeddings, VectorStoreError, version } = embed;
