// @ts-check
/** The case files, as they are written. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { compareTexts, get, isMap, isWrittenAsInteger, parse, write } from './json.mjs';

/** @typedef {import('./json.mjs').Json} Json */
/** @typedef {import('./json.mjs').JsonMap} JsonMap */
/** @typedef {'from_documents' | 'from_texts' | 'from_embeddings' | 'empty'} SetupKind */

/**
 * A store to build.
 *
 * @typedef {object} Setup
 * @property {SetupKind} kind how it is made
 * @property {string} distanceStrategy LangChain's name of the strategy
 * @property {boolean} normalizeL2 whether vectors are scaled to unit length
 * @property {number | null} dim the dimension of an empty store
 * @property {string | null} index the index of an empty store, where it is not `IndexFlatL2`
 * @property {string | null} relevanceScoreFn name of a relevance function
 * @property {DocSpec[]} docs what to build from
 * @property {Map<string, Float32Array>} embeddings further texts and their vectors
 */

/**
 * A document, with its vector where a setup gives it.
 *
 * @typedef {object} DocSpec
 * @property {string | null} id null for one that the store makes
 * @property {string} text
 * @property {JsonMap | null} metadata
 * @property {Float32Array} vector
 */

/**
 * An operation.
 *
 * @typedef {object} Op
 * @property {string} op its name
 * @property {string} store the store it is run on
 * @property {JsonMap} args
 */

/**
 * An answer as a case file writes it: a value, or the kind of the error.
 *
 * @typedef {{ ok: Json } | { error: string }} Wanted
 */

/**
 * What LangChain answered.
 *
 * @typedef {object} Expected
 * @property {Wanted} answer
 * @property {string[]} warnings names of warnings, sorted
 * @property {Json[][]} ties groups of ids whose scores are equal
 * @property {{ answer: Wanted, quirk: string } | null} better the answer of a store without the named quirk
 */

/**
 * Stores to build, operations to run on them, and what LangChain answered.
 *
 * @typedef {object} Case
 * @property {string} name unique: `group/short_name`
 * @property {Map<string, Setup>} setups the stores by name, `main` first
 * @property {Op[]} ops operations in order
 * @property {Expected[]} expected one entry per operation
 */

const KINDS = ['from_documents', 'from_texts', 'from_embeddings', 'empty'];

/**
 * What a value should have been.
 *
 * @param {string} expected
 * @param {Json | undefined} actual
 */
function wrong(expected, actual) {
  return new Error(`${expected} expected, got ${actual === undefined ? 'nothing' : write(actual)}`);
}

/**
 * A reader of the values under the keys of a map: absent ones become the default, if there is one.
 *
 * @param {Json | undefined} value
 */
function fields(value) {
  if (!isMap(value)) throw wrong('a map', value);
  /**
   * @template T
   * @param {string} key
   * @param {(value: Json | undefined) => T} read
   * @param {T} [fallback]
   * @returns {T}
   */
  return (key, read, fallback) => {
    const found = get(value, key);
    if (found === undefined && fallback !== undefined) return fallback;
    try {
      return read(found);
    } catch (error) {
      throw new Error(`${key}: ${/** @type {Error} */ (error).message}`, { cause: error });
    }
  };
}

/** @param {Json | undefined} value */
function text(value) {
  if (typeof value !== 'string') throw wrong('text', value);
  return value;
}

/** @param {Json | undefined} value */
function flag(value) {
  if (typeof value !== 'boolean') throw wrong('true or false', value);
  return value;
}

/** @param {Json | undefined} value */
function count(value) {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong('a count', value);
  return value;
}

/** @param {Json | undefined} value */
function map(value) {
  if (!isMap(value)) throw wrong('a map', value);
  return value;
}

/**
 * @template T
 * @param {(value: Json | undefined) => T} read
 * @returns {(value: Json | undefined) => T[]}
 */
function listOf(read) {
  return (value) => {
    if (!Array.isArray(value)) throw wrong('a list', value);
    return value.map(read);
  };
}

/**
 * @template T
 * @param {(value: Json | undefined) => T} read
 * @returns {(value: Json | undefined) => T | null}
 */
function optional(read) {
  return (value) => (value === undefined || value === null ? null : read(value));
}

/**
 * The numbers of a vector as the store takes them.
 *
 * @param {Json | undefined} value
 */
export function vector(value) {
  if (!Array.isArray(value)) throw wrong('a list of numbers', value);
  const numbers = value.map((x) => {
    if (typeof x !== 'number' && typeof x !== 'bigint') throw wrong('a list of numbers', value);
    return Number(x);
  });
  return Float32Array.from(numbers);
}

/**
 * The id under a key as text: numbers become strings, null is none.
 *
 * @param {JsonMap | Json[]} container
 * @param {string | number} key
 * @returns {string | null}
 */
export function idAt(container, key) {
  const value = Object.hasOwn(container, key) ? /** @type {JsonMap} */ (container)[key] : null;
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'number') throw wrong('an id', value);
  const whole = Number.isInteger(value) && !isWrittenAsInteger(container, key);
  return whole ? `${value}.0` : String(value);
}

/**
 * A document of a setup, or of an add.
 *
 * @param {Json | undefined} value
 * @returns {DocSpec}
 */
export function docSpec(value) {
  const field = fields(value);
  return {
    id: idAt(map(value), 'id'),
    text: field('text', text),
    metadata: field('metadata', optional(map), null),
    vector: field('vector', vector, new Float32Array()),
  };
}

/**
 * @param {Json | undefined} value
 * @returns {Setup}
 */
function setup(value) {
  const field = fields(value);
  const kind = field('kind', text);
  if (!KINDS.includes(kind)) throw wrong(`one of ${KINDS.join(', ')}`, kind);
  return {
    kind: /** @type {SetupKind} */ (kind),
    distanceStrategy: field('distance_strategy', text, 'EUCLIDEAN_DISTANCE'),
    normalizeL2: field('normalize_L2', flag, false),
    dim: field('dim', optional(count), null),
    index: field('index', optional(text), null),
    relevanceScoreFn: field('relevance_score_fn', optional(text), null),
    docs: field('docs', listOf(docSpec), []),
    embeddings: new Map(
      Object.entries(field('embeddings', map, {})).map(([key, numbers]) => [key, vector(numbers)]),
    ),
  };
}

/**
 * A store's table from text to vector: the first document of a text wins, `embeddings` come on top.
 *
 * @param {Setup} made
 * @returns {Map<string, Float32Array>}
 */
export function tableOf(made) {
  const table = new Map();
  for (const doc of made.docs) {
    if (!table.has(doc.text)) table.set(doc.text, doc.vector);
  }
  for (const [key, numbers] of made.embeddings) table.set(key, numbers);
  return table;
}

/**
 * @param {Json | undefined} value
 * @returns {Op}
 */
export function operation(value) {
  const field = fields(value);
  return { op: field('op', text), store: field('store', text, 'main'), args: field('args', map, {}) };
}

/**
 * @param {Json | undefined} value
 * @returns {Wanted}
 */
function wanted(value) {
  const ok = get(map(value), 'ok');
  const error = fields(value)(
    'error',
    optional((found) => fields(found)('kind', text)),
    null,
  );
  if ((ok === undefined) === (error === null)) throw new Error('expected exactly one of ok and error');
  return error === null ? { ok: /** @type {Json} */ (ok) } : { error };
}

/**
 * @param {Json | undefined} value
 * @returns {Expected}
 */
export function expectation(value) {
  const field = fields(value);
  return {
    answer: wanted(value),
    warnings: field('warnings', listOf(text), []),
    ties: field('ties', listOf(listOf((id) => id ?? null)), []),
    better: field(
      'better',
      optional((better) => ({ answer: wanted(better), quirk: fields(better)('quirk', text, '') })),
      null,
    ),
  };
}

/**
 * @param {Json | undefined} value
 * @returns {Case}
 */
function caseOf(value) {
  const field = fields(value);
  const name = field('name', text);
  const others = field('others', map, {});
  const made = {
    name,
    setups: new Map([
      ['main', field('setup', setup)],
      ...Object.keys(others)
        .sort(compareTexts)
        .map((other) => /** @type {[string, Setup]} */ ([other, setup(others[other])])),
    ]),
    ops: field('ops', listOf(operation)),
    expected: field('expected', listOf(expectation)),
  };
  const { ops, expected } = made;
  if (ops.length !== expected.length) {
    throw new Error(`case ${name} has ${ops.length} operations and ${expected.length} answers`);
  }
  return made;
}

/**
 * The cases of one file.
 *
 * @param {string} content
 * @returns {Case[]}
 */
export function parseFile(content) {
  const field = fields(parse(content));
  const schema = field('schema', count, 1);
  if (schema !== 1) throw new Error(`schema 1 expected, got ${schema}`);
  return field('cases', listOf(caseOf));
}

/**
 * A file as text.
 *
 * @param {string} path
 */
export function readText(path) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    throw new Error(`cannot read ${path}: ${/** @type {Error} */ (error).message}`, { cause: error });
  }
}

/**
 * Reads the `*.json` files of a folder, sorted by name.
 *
 * @param {string} folder
 * @returns {Case[]}
 */
export function readFolder(folder) {
  /** @type {string[]} */
  let names;
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw new Error(`cannot read ${folder}: ${/** @type {Error} */ (error).message}`, { cause: error });
  }
  return names
    .filter((name) => /.\.json$/s.test(name))
    .sort(compareTexts)
    .flatMap((name) => {
      const path = join(folder, name);
      const content = readText(path);
      try {
        return parseFile(content);
      } catch (error) {
        throw new Error(`cannot read ${path}: ${/** @type {Error} */ (error).message}`, { cause: error });
      }
    });
}
