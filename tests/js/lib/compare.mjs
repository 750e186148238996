// @ts-check
/** Whether an answer is the one a case file writes. */

import { answerOf } from './answer.mjs';
import { compareTexts, get, isMap } from './json.mjs';

/** @typedef {import('./json.mjs').Json} Json */
/** @typedef {import('./answer.mjs').Found} Found */

const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Whether this is a version 4 uuid as text.
 *
 * @param {string} id
 */
export function isUuid4(id) {
  return UUID4.test(id);
}

/**
 * Whether two values are the same data: types count, and numbers are the same by value.
 *
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export function isSameData(a, b) {
  if (isNumber(a) && isNumber(b)) return a == b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => isSameData(item, b[i]))
    );
  }
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a);
    const sameKeys = isPlain(a) && isPlain(b) && keys.length === Object.keys(b).length;
    return sameKeys && keys.every((key) => Object.hasOwn(b, key) && isSameData(a[key], b[key]));
  }
  return a === b && a !== undefined;
}

/** @param {unknown} value @returns {value is number | bigint} */
function isNumber(value) {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** @param {object} value */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Whether two scores are the same by the cases' rule.
 *
 * @param {number} a
 * @param {number} b
 */
export function close(a, b) {
  return Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(a), Math.abs(b));
}

/** Which made-up id stands for which `<uuid:n>` of the case file. */
export class Uuids {
  /** @param {Iterable<[string, string]>} [bound] */
  constructor(bound) {
    this.bound = new Map(bound);
  }

  /**
   * Whether the actual id is what the case file writes; an id that it shows for the first time is remembered.
   *
   * @param {Json | undefined} written
   * @param {string} actual
   */
  matches(written, actual) {
    if (typeof written !== 'string') return false;
    if (!written.startsWith('<uuid:')) return written === actual;
    const bound = this.bound.get(written);
    if (bound !== undefined) return bound === actual;
    if (!isUuid4(actual) || this.written(actual) !== actual) return false;
    this.bound.set(written, actual);
    return true;
  }

  /**
   * An actual id as the case file would write it.
   *
   * @param {string} actual
   */
  written(actual) {
    for (const [written, bound] of this.bound) {
      if (bound === actual) return written;
    }
    return actual;
  }

  /**
   * Whether the case file writes an id here that it has not shown before.
   *
   * @param {Json | undefined} written
   * @returns {written is string}
   */
  isNew(written) {
    return typeof written === 'string' && written.startsWith('<uuid:') && !this.bound.has(written);
  }
}

/**
 * Compares an outcome with what is written; ids made up are remembered in `uuids` as far as they agree.
 *
 * @param {import('./oracle.mjs').Wanted} wanted
 * @param {Json[][]} ties
 * @param {import('./answer.mjs').Outcome} outcome
 * @param {Uuids} uuids
 */
export function agrees(wanted, ties, outcome, uuids) {
  if ('error' in wanted) return 'failure' in outcome && wanted.error === outcome.failure.code;
  const known = new Uuids(uuids.bound);
  const agree = answersAgree(wanted.ok, ties, outcome, known);
  if (agree) uuids.bound = known.bound;
  return agree;
}

/**
 * @param {Json} value
 * @param {Json[][]} ties
 * @param {import('./answer.mjs').Outcome} outcome
 * @param {Uuids} uuids
 */
function answersAgree(value, ties, outcome, uuids) {
  // The names of the files written are ours.
  if (answerOf(outcome, 'done')) return value === null || (isMap(value) && Object.hasOwn(value, 'files'));
  if (answerOf(outcome, 'true')) return value === true;
  const state = answerOf(outcome, 'state')?.state;
  if (state) return isMap(value) && statesAgree(value, state, uuids);
  if (!Array.isArray(value)) return false;
  const ids = answerOf(outcome, 'ids')?.ids;
  if (ids) return value.length === ids.length && ids.every((id, i) => uuids.matches(value[i], id));
  const docs = answerOf(outcome, 'docs')?.docs;
  if (docs) return docsAgree(value, ties, docs, uuids);
  const vectors = answerOf(outcome, 'vectors')?.vectors;
  return (
    vectors !== undefined &&
    value.length === vectors.length &&
    vectors.every((row, i) => rowsAgree(value[i], row))
  );
}

/**
 * @param {Json | undefined} written
 * @param {Float32Array} actual
 */
function rowsAgree(written, actual) {
  if (!Array.isArray(written) || written.length !== actual.length) return false;
  return written.every((number, i) => isNumber(number) && close(Number(number), actual[i] ?? NaN));
}

/**
 * @param {Json[]} items
 * @param {Json[][]} ties
 * @param {Found[]} docs
 * @param {Uuids} uuids
 */
function docsAgree(items, ties, docs, uuids) {
  if (items.length !== docs.length) return false;
  introduce(items, docs, uuids);
  // Ties may swap documents, but none may come twice.
  if (ties.length > 0 && new Set(docs.map((doc) => doc.id)).size < docs.length) return false;
  return docs.every((doc, i) => {
    const item = asMap(items[i]);
    const written = get(item, 'id') ?? null;
    const actual = uuids.written(doc.id);
    if (!scoresAgree(get(item, 'score'), doc.score)) return false;
    if (written === actual) return isSameContent(item, doc);
    return ties.some((group) => group.includes(written) && group.includes(actual));
  });
}

/** @param {Json | undefined} item */
function asMap(item) {
  return isMap(item) ? item : {};
}

/**
 * @param {Json | undefined} written
 * @param {number | null} actual
 */
function scoresAgree(written, actual) {
  if (written === undefined || actual === null) return written === undefined && actual === null;
  return isNumber(written) && close(Number(written), actual);
}

/**
 * @param {import('./json.mjs').JsonMap} item
 * @param {Found} doc
 */
function isSameContent(item, doc) {
  return get(item, 'text') === doc.text && isSameData(get(item, 'metadata'), doc.metadata);
}

/**
 * Pairs ids made up and not seen before with documents of the same content, the same place first.
 *
 * @param {Json[]} items
 * @param {Found[]} docs
 * @param {Uuids} uuids
 */
function introduce(items, docs, uuids) {
  items.map(asMap).forEach((item, i) => {
    const written = get(item, 'id');
    if (!uuids.isNew(written)) return;
    /** @param {Found | undefined} doc */
    const isSame = (doc) =>
      doc !== undefined && isSameContent(item, doc) && uuids.written(doc.id) === doc.id && isUuid4(doc.id);
    const doc = isSame(docs[i]) ? docs[i] : docs.find(isSame);
    if (doc) uuids.bound.set(written, doc.id);
  });
}

/**
 * @param {import('./json.mjs').JsonMap} value
 * @param {import('./answer.mjs').State} state
 * @param {Uuids} uuids
 */
function statesAgree(value, state, uuids) {
  const pairs = get(value, 'index_to_docstore_id');
  if (!Array.isArray(pairs) || pairs.length !== state.ids.length) return false;
  const inOrder = state.ids.every((id, position) => {
    const pair = pairs[position];
    return Array.isArray(pair) && pair[0] === position && uuids.matches(pair[1], id);
  });
  const docstore = state.docstoreIds.map((id) => uuids.written(id)).sort(compareTexts);
  return (
    inOrder &&
    get(value, 'ntotal') === state.ntotal &&
    get(value, 'dim') === state.dim &&
    isSameData(get(value, 'docstore_ids'), docstore)
  );
}
