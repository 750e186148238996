// @ts-check
/** How JSON values compare, by the table: deep equality, `true` is not `1`, numbers by exact value. */

import { compareTexts, isMap } from '../json.mjs';

/** @typedef {import('../json.mjs').Json} Json */

/** Things seen while comparing that Python takes differently. */
export class Notes {
  /** A boolean met a number, which Python would have compared as 0 or 1. */
  booleanMetNumber = false;
  /** Inner products were equal, which Python orders the other way round. */
  tiedProducts = false;
}

/**
 * @param {Json} value
 * @returns {value is number | bigint}
 */
function isNumber(value) {
  return typeof value === 'number' || typeof value === 'bigint';
}

/**
 * @param {Json} a
 * @param {Json} b
 */
function isBooleanWithNumber(a, b) {
  return (typeof a === 'boolean' && isNumber(b)) || (isNumber(a) && typeof b === 'boolean');
}

/**
 * Whether two values are the same data.
 *
 * @param {Json} a
 * @param {Json} b
 * @param {Notes} notes
 * @returns {boolean}
 */
export function equal(a, b, notes) {
  if (isBooleanWithNumber(a, b)) {
    notes.booleanMetNumber = true;
    return false;
  }
  // Between a number and a bigint, `==` and `<` compare exactly.
  if (isNumber(a) && isNumber(b)) return a == b;
  if (Array.isArray(a) && Array.isArray(b)) {
    // All items are looked at, for the notes.
    return (
      a.length === b.length && a.filter((item, i) => equal(item, b[i] ?? null, notes)).length === a.length
    );
  }
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a).sort(compareTexts);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && equal(a[key] ?? null, b[key] ?? null, notes))
    );
  }
  return a === b;
}

/**
 * The order of two values of one kind: below 0, 0 or above, null for unlike types.
 *
 * @param {Json} a
 * @param {Json} b
 * @param {Notes} notes
 * @returns {number | null}
 */
export function order(a, b, notes) {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if (Array.isArray(a) && Array.isArray(b)) {
    const common = Math.min(a.length, b.length);
    for (let i = 0; i < common; i += 1) {
      const [left, right] = [a[i] ?? null, b[i] ?? null];
      if (!equal(left, right, notes)) return order(left, right, notes);
    }
    return a.length - b.length;
  }
  if (isBooleanWithNumber(a, b)) notes.booleanMetNumber = true;
  return null;
}
