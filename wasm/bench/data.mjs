// @ts-check
/** The rows and queries that are measured. */

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { readMatrix, rowOf } from '../../tests/js/lib/npy.mjs';

/** How many rows searches are measured with, unless told. */
export const ROWS = 100_000;

/** How far a row that is made lies from the real one it is made of, as a part of its length: as in the native benchmark, about as near as the nearest glosses lie to each other. */
const PERTURBATION = 0.3;
const SEED = 20_240_229;
const GENERATED = { dim: 384, centres: 500, queries: 100 };

/**
 * @typedef {object} Data
 * @property {string} source where it comes from, in words
 * @property {number} dim
 * @property {Float32Array<ArrayBuffer>} vectors as many rows as were asked for
 * @property {Float32Array<ArrayBuffer>[]} queries
 * @property {{ pageContent: string, id: string }[]} documents one for each row
 */

/**
 * The data of a folder laid out like `data/wordnet`: that one unless told, and if it is not there, made-up rows.
 *
 * @param {string | undefined} given
 * @param {number} [rows] how many; {@link ROWS} unless told
 * @returns {Data}
 */
export function loadData(given, rows = ROWS) {
  const shared = process.env.TWINDEX_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));
  const folder = resolve(given ?? join(shared, 'data', 'wordnet'));
  return given === undefined && !existsSync(folder) ? generated(rows) : readFolder(folder, rows);
}

/**
 * @param {string} folder
 * @param {number} rows
 * @returns {Data}
 */
function readFolder(folder, rows) {
  const matrix = readMatrix(join(folder, 'embeddings.npy'), '<f4');
  const asked = readMatrix(join(folder, 'query_embeddings.npy'), '<f4');
  if (asked.columns !== matrix.columns) {
    throw new Error(`queries of ${matrix.columns} numbers expected, got ${asked.columns}`);
  }
  const lines = readFileSync(join(folder, 'corpus.jsonl'), 'utf8').trimEnd().split('\n');
  if (lines.length !== matrix.rows) throw new Error(`${matrix.rows} documents expected, got ${lines.length}`);
  const real = Math.min(matrix.rows, rows);
  const documents = Array.from({ length: rows }, (_, row) => {
    const { id, text } = JSON.parse(lines[row % real]);
    return { pageContent: String(text), id: row < real ? String(id) : `${id} ${Math.floor(row / real)}` };
  });
  const more = real < rows ? `, the first ${real} of them real, the others near to those` : '';
  return {
    source: `${rows} rows of ${folder}${more}`,
    dim: matrix.columns,
    vectors: filled(matrix.data.subarray(0, real * matrix.columns), matrix.columns, rows, PERTURBATION, random(SEED)),
    queries: Array.from({ length: asked.rows }, (_, row) => rowOf(asked, row).slice()),
    documents,
  };
}

/**
 * @param {number} rows
 * @returns {Data}
 */
function generated(rows) {
  const { dim, centres, queries } = GENERATED;
  const next = random(SEED);
  const middles = Float32Array.from({ length: centres * dim }, () => next() - 0.5);
  const vectors = filled(middles, dim, rows, 0.5, next);
  const asked = filled(middles, dim, centres + queries, 0.5, next).subarray(centres * dim);
  return {
    source: `${rows} rows made up by a seeded generator: there is no data folder`,
    dim,
    vectors,
    queries: Array.from({ length: queries }, (_, row) => asked.slice(row * dim, (row + 1) * dim)),
    documents: Array.from({ length: rows }, (_, row) => ({ pageContent: `the text of row ${row}`, id: `${row}` })),
  };
}

/**
 * These rows, and then copies of them, each moved by about `distance` times its length, and brought back to that length.
 *
 * @param {Float32Array} given
 * @param {number} dim
 * @param {number} rows
 * @param {number} distance
 * @param {() => number} next
 */
function filled(given, dim, rows, distance, next) {
  const vectors = new Float32Array(rows * dim);
  vectors.set(given);
  for (let at = given.length; at < vectors.length; at += dim) {
    const row = given.subarray(at % given.length, (at % given.length) + dim);
    // Uniform noise between -1 and 1 is about sqrt(dim / 3) long.
    const length = Math.hypot(...row);
    const width = distance * length * Math.sqrt(3 / dim);
    const made = row.map((x) => x + width * (2 * next() - 1));
    const scale = length / Math.hypot(...made);
    for (let i = 0; i < dim; i++) vectors[at + i] = scale * made[i];
  }
  return vectors;
}

/**
 * Numbers from 0 to 1, always the same: Mulberry32.
 *
 * @param {number} seed
 */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
