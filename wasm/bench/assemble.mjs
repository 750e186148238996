// @ts-check
/** Writes the module of `reading.mjs`. */

import binaryen from 'binaryen';

import { STREAMS, SUMS } from './reading.mjs';

/**
 * A function that reads `blocks` blocks from `at` on. A block is as many runs of `bytes` bytes as there are streams, read side
 * by side, with every sum in use at each step.
 *
 * @param {number} sums
 * @param {number} streams
 */
function reader(sums, streams) {
  const step = (16 * sums) / streams;
  /** @param {number} count @param {(i: number) => string} line */
  const each = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join('\n');
  return `
    (func (export "read_${sums}_${streams}") (param $p0 i32) (param $bytes i32) (param $blocks i32) (result i32)
      (local $end i32)
      ${each(streams - 1, (i) => `(local $p${i + 1} i32)`)}
      ${each(sums, (i) => `(local $sum${i} v128)`)}
      (loop $block
        (local.set $end (i32.add (local.get $p0) (local.get $bytes)))
        ${each(streams - 1, (i) => `(local.set $p${i + 1} (i32.add (local.get $p${i}) (local.get $bytes)))`)}
        (loop $step
          ${each(sums, (i) => {
            const [stream, offset] = [i % streams, 16 * Math.floor(i / streams)];
            const load = `(v128.load offset=${offset} (local.get $p${stream}))`;
            return `(local.set $sum${i} (i32x4.add (local.get $sum${i}) ${load}))`;
          })}
          ${each(streams, (i) => `(local.set $p${i} (i32.add (local.get $p${i}) (i32.const ${step})))`)}
          (br_if $step (i32.lt_u (local.get $p0) (local.get $end))))
        (local.set $p0 (local.get $p${streams - 1}))
        (br_if $block (local.tee $blocks (i32.sub (local.get $blocks) (i32.const 1)))))
      ${each(sums - 1, (i) => `(local.set $sum0 (i32x4.add (local.get $sum0) (local.get $sum${i + 1})))`)}
      (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $sum0)) (i32x4.extract_lane 1 (local.get $sum0)))
        (i32.add (i32x4.extract_lane 2 (local.get $sum0)) (i32x4.extract_lane 3 (local.get $sum0)))))`;
}

/** @returns {Uint8Array<ArrayBuffer>} */
export function assemble() {
  const readers = STREAMS.flatMap((streams) => SUMS.map((sums) => reader(sums, streams)));
  const module = binaryen.parseText(`(module (memory (export "memory") 0) ${readers.join('\n')})`);
  module.setFeatures(binaryen.Features.MVP | binaryen.Features.SIMD128);
  if (!module.validate()) throw new Error('the reading loop is no valid module');
  return new Uint8Array(module.emitBinary());
}
