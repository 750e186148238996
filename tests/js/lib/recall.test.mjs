// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseMatrix } from './npy.mjs';
import { agrees } from './recall.mjs';

/**
 * A NumPy file.
 *
 * @param {string} descr
 * @param {string} shape
 * @param {Uint8Array} body
 */
function numpy(descr, shape, body) {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
  const length = Uint8Array.of(header.length & 255, header.length >> 8);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), body]);
}

test('matrices and lists are read from NumPy files, and other types and lengths are refused', () => {
  const body = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  assert.deepEqual(parseMatrix(numpy('<f4', '(2, 2)', body), '<f4'), {
    rows: 2,
    columns: 2,
    data: Float32Array.of(1, 2, 3, 4),
  });
  assert.equal(parseMatrix(numpy('<f4', '(4,)', body), '<f4').columns, 1);
  assert.throws(() => parseMatrix(numpy('<f4', '(2,)', body), '<f8'));
  assert.throws(() => parseMatrix(numpy('<f4', '(3,)', body), '<f4'));
  assert.throws(() => parseMatrix(Buffer.from('not a file'), '<f4'));
});

test('only the right documents with the right scores agree', () => {
  const lines = Array.from({ length: 20 }, (_, i) => ({ id: `d${i}`, text: `text ${i}`, metadata: { i } }));
  const rows = { rows: 1, columns: 12, data: Int32Array.from({ length: 12 }, (_, i) => i) };
  const truth = { name: '', filter: null, rows, scores: { ...rows, data: Float64Array.from(rows.data) } };
  /** @returns {import('./recall.mjs').Hits} */
  const hits = () =>
    lines
      .slice(0, 10)
      .map(({ id, text, metadata }, i) => [{ id, pageContent: text, metadata: { ...metadata } }, i]);
  /** @param {(found: import('./recall.mjs').Hits) => unknown} change */
  const agreesAfter = (change) => {
    const found = hits();
    change(found);
    return agrees(lines, truth, 0, found);
  };
  assert.ok(agreesAfter(() => {}));
  assert.ok(!agreesAfter((found) => found.pop()));
  assert.ok(!agreesAfter((found) => found.splice(3, 2, ...found.slice(3, 5).reverse())));
  assert.ok(!agreesAfter((found) => ((found[5] ?? [])[1] = 5.001)));
  assert.ok(!agreesAfter((found) => Object.assign(found[5]?.[0].metadata ?? {}, { i: '5' })));
});
