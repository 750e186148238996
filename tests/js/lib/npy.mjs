// @ts-check
/** NumPy files of version 1.0, little endian, C order: all that the data packs use. */

import { readFileSync } from 'node:fs';

/** The types of number that a file can hold, by NumPy's name. */
const TYPES = /** @type {const} */ ({ '<f4': Float32Array, '<f8': Float64Array, '<i4': Int32Array });
const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** @typedef {keyof typeof TYPES} Descr */

/**
 * A matrix; a list is one of a column.
 *
 * @template {Descr} D
 * @typedef {{ rows: number, columns: number, data: InstanceType<(typeof TYPES)[D]> }} Matrix
 */

/**
 * Reads a file of this type of number.
 *
 * @template {Descr} D
 * @param {string} path
 * @param {D} descr
 * @returns {Matrix<D>}
 */
export function readMatrix(path, descr) {
  try {
    return parseMatrix(readFileSync(path), descr);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${/** @type {Error} */ (error).message}`, { cause: error });
  }
}

/**
 * Reads the bytes of a file.
 *
 * @template {Descr} D
 * @param {Uint8Array} bytes
 * @param {D} descr
 * @returns {Matrix<D>}
 */
export function parseMatrix(bytes, descr) {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < 10 || !file.subarray(0, 8).equals(MAGIC)) {
    throw new Error('not a NumPy file of version 1.0');
  }
  const start = 10 + file.readUInt16LE(8);
  if (file.length < start) throw new Error('the header is cut short');
  const header = file.toString('latin1', 10, start);
  if (!header.includes(`'descr': '${descr}'`) || !header.includes("'fortran_order': False")) {
    throw new Error(`numbers of type ${descr} in C order expected, got ${header.trim()}`);
  }
  const shape = /'shape': \(([0-9, ]*)\)/
    .exec(header)?.[1]
    ?.split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map(Number);
  if (!shape) throw new Error('the header has no shape');
  const [rows, columns = 1, ...more] = shape;
  if (rows === undefined || more.length > 0) {
    throw new Error(`one or two dimensions expected, got ${shape.length}`);
  }
  const type = TYPES[descr];
  if (rows * columns * type.BYTES_PER_ELEMENT !== file.length - start) {
    throw new Error(`${rows} x ${columns} numbers expected, got ${file.length - start} bytes`);
  }
  // A copy, since the numbers need not lie where an array of them may begin.
  const data = new type(new Uint8Array(file.subarray(start)).buffer);
  return { rows, columns, data: /** @type {Matrix<D>['data']} */ (data) };
}

/**
 * A row.
 *
 * @template {Float32Array | Float64Array | Int32Array} T
 * @param {{ columns: number, data: T }} matrix
 * @param {number} row
 * @returns {T}
 */
export function rowOf({ data, columns }, row) {
  return /** @type {T} */ (data.subarray(row * columns, (row + 1) * columns));
}
