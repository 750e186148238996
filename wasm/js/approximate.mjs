// @ts-check
// `twindex/approximate` for browsers, workers and bundlers: where the binaries are that search to a recall target.

import { hasRelaxedSimd } from './simd.mjs';
import { settled } from './settled.mjs';

// Bundlers look for these very expressions.
export const source = settled(
  hasRelaxedSimd()
    ? String(new URL('./twindex-approximate-relaxed.wasm', import.meta.url))
    : String(new URL('./twindex-approximate.wasm', import.meta.url)),
);
