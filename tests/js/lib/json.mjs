// @ts-check
/**
 * JSON read exactly, as `serde_json` reads it: integers that a number cannot hold are bigints up to 64 bits,
 * and how a number was written is remembered.
 */

// A comment cannot say a type that holds itself.
/** @typedef {import('./json-types.js').Json} Json */
/** @typedef {import('./json-types.js').JsonMap} JsonMap */

const MOST_NESTING = 127;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const PLAIN_STRING = /"[^"\\\u0000-\u001f]*"/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const WORDS = /** @type {const} */ ([
  ['null', null],
  ['true', true],
  ['false', false],
]);

/**
 * The places of numbers written with a fraction or an exponent, by the list or map they are in.
 *
 * @type {WeakMap<object, Set<string>>}
 */
const fractions = new WeakMap();

/**
 * Whether the number under a key of a map that was read here was written as an integer: `1`, not `1.0`.
 *
 * @param {JsonMap | Json[]} container
 * @param {string | number} key
 */
export function isWrittenAsInteger(container, key) {
  const value = Object.hasOwn(container, key) ? /** @type {any} */ (container)[key] : undefined;
  return ['number', 'bigint'].includes(typeof value) && !fractions.get(container)?.has(String(key));
}

/**
 * The value of a JSON text.
 *
 * @param {string} text
 * @returns {Json}
 * @throws {SyntaxError}
 */
export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.skipSpace();
  if (reader.at < text.length) reader.fail('the end');
  return value;
}

class Reader {
  at = 0;
  /** Whether the number read last was written with a fraction or an exponent. */
  fraction = false;

  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /**
   * @param {string} expected
   * @returns {never}
   */
  fail(expected) {
    const before = this.text.slice(0, this.at).split('\n');
    const [line, column] = [before.length, (before.at(-1)?.length ?? 0) + 1];
    const found = this.at < this.text.length ? JSON.stringify(this.text[this.at]) : 'the end';
    throw new SyntaxError(`${expected} expected at line ${line} column ${column}, got ${found}`);
  }

  /**
   * @param {RegExp} pattern
   * @returns {RegExpExecArray | null}
   */
  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  skipSpace() {
    this.match(SPACE);
  }

  /** @param {string} mark */
  take(mark) {
    this.skipSpace();
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  /**
   * @param {number} depth
   * @returns {Json}
   */
  value(depth) {
    if (depth > MOST_NESTING) this.fail('less nesting');
    this.skipSpace();
    const first = this.text[this.at];
    if (first === '{') return this.map(depth + 1);
    if (first === '[') return this.list(depth + 1);
    if (first === '"') return this.string();
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  number() {
    const found = this.match(NUMBER);
    if (!found) return this.fail('a value');
    const [written, fraction, exponent] = found;
    const value = Number(written);
    // An integer below zero has no sign of its own at 0, so `-0` is a fraction.
    this.fraction = fraction !== undefined || exponent !== undefined || Object.is(value, -0);
    if (!Number.isFinite(value)) this.fail('a number within range');
    if (this.fraction || Number.isSafeInteger(value)) return value;
    const exact = BigInt(written);
    return exact === BigInt.asIntN(64, exact) || exact === BigInt.asUintN(64, exact) ? exact : value;
  }

  string() {
    const plain = this.match(PLAIN_STRING);
    if (plain) return plain[0].slice(1, -1);
    const escaped = this.match(STRING);
    if (!escaped) return this.fail('a whole string');
    /** @type {string} */
    const text = JSON.parse(escaped[0]);
    if (!text.isWellFormed()) this.fail('a string without lone surrogates');
    return text;
  }

  /** @param {number} depth */
  list(depth) {
    /** @type {Json[]} */
    const items = [];
    this.at += 1;
    if (this.take(']')) return items;
    do {
      const item = this.value(depth);
      this.note(items, items.length, item);
      items.push(item);
    } while (this.take(','));
    if (!this.take(']')) this.fail('"," or "]"');
    return items;
  }

  /** @param {number} depth */
  map(depth) {
    /** @type {JsonMap} */
    const map = {};
    this.at += 1;
    if (this.take('}')) return map;
    do {
      this.skipSpace();
      if (this.text[this.at] !== '"') this.fail('a key');
      const key = this.string();
      if (!this.take(':')) this.fail('":"');
      const value = this.value(depth);
      this.note(map, key, value);
      // Not by assignment: `__proto__` is a key like any other.
      Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
    } while (this.take(','));
    if (!this.take('}')) this.fail('"," or "}"');
    return map;
  }

  /**
   * @param {JsonMap | Json[]} container
   * @param {string | number} key
   * @param {Json} value
   */
  note(container, key, value) {
    if (typeof value !== 'number') return;
    const places = fractions.get(container);
    if (!this.fraction) places?.delete(String(key));
    else if (places) places.add(String(key));
    else fractions.set(container, new Set([String(key)]));
  }
}

/**
 * A value as JSON text, bigints as integers.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function write(value) {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (isMap(value)) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value) ?? String(value);
}

/**
 * Whether a value is a map, and neither null nor a list.
 *
 * @param {unknown} value
 * @returns {value is JsonMap}
 */
export function isMap(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The value of a key of its own.
 *
 * @param {JsonMap} map
 * @param {string} key
 * @returns {Json | undefined}
 */
export function get(map, key) {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/**
 * The order of two texts by code points, as Rust and Python have it.
 *
 * @param {string} a
 * @param {string} b
 * @returns {-1 | 0 | 1}
 */
export function compareTexts(a, b) {
  for (let i = 0; i < a.length && i < b.length;) {
    const [left, right] = [a.codePointAt(i) ?? 0, b.codePointAt(i) ?? 0];
    if (left !== right) return left < right ? -1 : 1;
    i += left > 0xffff ? 2 : 1;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}
