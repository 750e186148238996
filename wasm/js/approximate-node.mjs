// @ts-check
// `twindex/approximate` for Node. It is built to one CommonJS file, which the ES module hands on.

import { pathToFileURL } from 'node:url';
import { find } from './places.cjs';
import { hasRelaxedSimd } from './simd.mjs';
import { relaxedIsSound } from './sound.mjs';

const name = relaxedIsSound && hasRelaxedSimd() ? 'twindex-approximate-relaxed.wasm' : 'twindex-approximate.wasm';

export const source = pathToFileURL(find(name)).href;
