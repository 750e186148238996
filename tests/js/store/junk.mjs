// @ts-check
/** Values at random, of every type there is, from a seed. */

import { runInNewContext } from 'node:vm';

import { VectorStore, Thrown, detached, embed, revoked, trapped, unreadable } from './twindex.mjs';

/** Keys that mean something to some call, and keys that mean something to JavaScript. */
const KEYS = [
  'pageContent metadata id ids k filter fetchK lambda scoreThreshold signal dim distanceStrategy',
  'normalizeL2 relevanceScoreFn onWarning batchSize onProgress searchType searchKwargs ignoreUnknown',
  'embedDocuments embedQuery a b.c $and $or $not $eq $ne $gt $lte $in $nin $contains $exists $nope',
  'length then constructor __proto__ toString valueOf toJSON 0 1',
].flatMap((line) => line.split(' '));

const STRINGS = [
  '',
  'a',
  'b',
  'aab',
  'text 1',
  'COSINE',
  'ip',
  'mmr',
  'similarity',
  'similarity_score_threshold',
  'x\ud800',
  '\udc00',
  '𝄞',
  '\0',
  '__proto__',
  'NaN',
  '1',
  'x'.repeat(5000),
];

const NUMBERS = [
  0,
  -0,
  1,
  2,
  3,
  4,
  64,
  -1,
  0.5,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  1e39,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e300,
  5e-324,
];

const BIGINTS = [0n, 1n, -1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 70n)];

const TRAPS = /** @type {(keyof ProxyHandler<object>)[]} */ ([
  'get',
  'has',
  'ownKeys',
  'getPrototypeOf',
  'getOwnPropertyDescriptor',
  'set',
]);

/**
 * A promise whose rejection is of no concern where nobody waits for it.
 *
 * @template T
 * @param {Promise<T>} promise
 */
function handled(promise) {
  promise.catch(() => {});
  return promise;
}

class Point {
  x = 1;
}

export class Junk {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 up to, not including, a whole number. @param {number} below */
  below(below) {
    // Mulberry32.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  /** @template T @param {readonly T[]} among @returns {T} */
  one(among) {
    return /** @type {T} */ (among[this.below(among.length)]);
  }

  /** @template T @param {() => T} make @param {number} [most] */
  list(make, most = 4) {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  /** @param {number} depth @returns {any} */
  primitive(depth = 0) {
    return this.one([
      () => undefined,
      () => null,
      () => true,
      () => false,
      () => this.one(NUMBERS),
      () => this.one(NUMBERS),
      () => this.one(STRINGS),
      () => this.one(STRINGS),
      () => this.one(BIGINTS),
      () => Symbol(`at ${depth}`),
    ])();
  }

  /** @param {number} depth @returns {any} */
  object(depth) {
    const object = this.one([
      () => ({}),
      () => ({}),
      () => Object.create(null),
      () => new Point(),
      () => Object.create({ a: 1 }),
    ])();
    for (const key of this.list(() => this.one(KEYS), 5)) {
      Object.defineProperty(object, key, {
        value: this.any(depth - 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return object;
  }

  /** @returns {any} */
  numbers() {
    const make = () => (this.below(30) === 0 ? this.any(1) : this.one([0, 1, 0.5, -2, 3]));
    const length = this.below(8) === 0 ? this.below(6) : 3;
    const numbers = Array.from({ length }, make);
    return this.one([
      () => numbers,
      () => numbers,
      () => new Float32Array(numbers.map((number) => (typeof number === 'number' ? number : 0))),
      () => new Float64Array(length),
    ])();
  }

  /** @returns {any} */
  vectors() {
    if (this.below(4) === 0)
      return new Float32Array(3 * this.below(4) + (this.below(6) === 0 ? 1 : 0)).fill(this.one([0, 1, 0.5]));
    return this.list(() => (this.below(30) === 0 ? this.any(1) : this.numbers()));
  }

  /** @returns {any} */
  id() {
    return this.below(20) === 0 ? this.any(1) : `id ${this.below(40)}`;
  }

  /** @param {number} depth @returns {any} JSON, for the most part. */
  json(depth) {
    if (depth <= 0 || this.below(3) === 0) return this.one([null, true, 1, 0.5, 'a', 'b', 2n ** 60n, -3]);
    if (this.below(2) === 0) return this.list(() => this.json(depth - 1));
    return Object.fromEntries(
      this.list(() => [this.one(['a', 'b', 'c', '__proto__', '', 'b.c']), this.json(depth - 1)]),
    );
  }

  /** @returns {any} */
  document() {
    const document = /** @type {any} */ ({ pageContent: this.one(STRINGS.slice(0, 5)) });
    if (this.below(2)) document.id = this.id();
    if (this.below(2)) document.metadata = this.below(6) === 0 ? this.any(2) : this.json(3);
    return document;
  }

  /** @returns {any} */
  filter() {
    return this.one([
      () => ({}),
      () => ({ a: this.json(1) }),
      () => ({ $and: [{ a: { [this.one(KEYS)]: this.json(2) } }, { b: { $exists: true } }] }),
      () => ({ $not: { [this.one(KEYS)]: this.json(2) } }),
      () => this.object(3),
      () => this.function(),
      () => () => this.below(2) === 0,
    ])();
  }

  /** @returns {any} Embeddings that work, for the most part, and always answer. */
  embeddings() {
    if (this.below(5) === 0) return this.any(2);
    const embedDocuments = (/** @type {string[]} */ texts) =>
      this.below(6) === 0 ? this.answer() : texts.map(embed);
    const embedQuery = async (/** @type {string} */ text) =>
      this.below(6) === 0 ? this.answer() : embed(text);
    return { embedDocuments, embedQuery };
  }

  /** What a function of the caller's gives: something, a promise of it, or an error. @returns {any} */
  answer() {
    if (this.below(5) === 0) throw new Thrown('by a function');
    return this.below(4) === 0 ? this.promise(1) : this.any(2);
  }

  /** @param {number} depth */
  promise(depth) {
    return handled(
      this.below(3) === 0 ? Promise.reject(new Thrown('a promise')) : Promise.resolve(this.any(depth)),
    );
  }

  /** @returns {any} */
  function() {
    return this.one([
      () => () => this.answer(),
      () => () => handled((async () => this.answer())()),
      () => () => true,
      () => () => 0.5,
      () => trapped(() => true, 'apply'),
    ])();
  }

  /** @returns {any} */
  signal() {
    const controller = new AbortController();
    const reason = new Thrown('a signal');
    if (this.below(3) === 0) controller.abort(reason);
    else if (this.below(2) === 0) queueMicrotask(() => controller.abort(reason));
    return controller.signal;
  }

  /** @returns {any} Options that a call may take, and a few that it does not. */
  options() {
    const makers = /** @type {Record<string, () => any>} */ ({
      ids: () => this.list(() => this.id()),
      k: () => this.one(NUMBERS),
      filter: () => this.filter(),
      fetchK: () => this.one(NUMBERS),
      lambda: () => this.one(NUMBERS),
      scoreThreshold: () => this.one(NUMBERS),
      signal: () => this.signal(),
      dim: () => this.one([1, 2, 3, 3, 3]),
      batchSize: () => this.one([1, 2, 64]),
      onProgress: () => this.function(),
      distanceStrategy: () => this.one(['l2', 'ip', 'cosine']),
      normalizeL2: () => this.below(2) === 0,
      relevanceScoreFn: () => this.function(),
      ignoreUnknown: () => true,
    });
    const options = /** @type {any} */ ({});
    for (const key of this.list(() => this.one(Object.keys(makers)), 2)) {
      options[key] = this.below(8) === 0 ? this.any(2) : makers[key]?.();
    }
    return options;
  }

  /** @param {number} depth @returns {any} */
  any(depth) {
    if (depth <= 0 || this.below(3) === 0) return this.primitive(depth);
    const inner = () => this.any(depth - 1);
    return this.one([
      () => this.list(inner),
      () => this.list(inner),
      () => Object.assign([inner(), inner()], { length: this.one([3, 1000, 2 ** 32 - 1]) }),
      () => this.object(depth),
      () => this.object(depth),
      () => this.object(depth),
      () => this.json(4),
      () => this.document(),
      () => this.list(() => this.document()),
      () => this.numbers(),
      () => this.vectors(),
      () => this.filter(),
      () => this.options(),
      () => this.function(),
      () => this.promise(depth - 1),
      () => this.signal(),
      () => new Map([[inner(), inner()]]),
      () => new Set([inner()]),
      () => new Date(this.one(NUMBERS)),
      () => /x/g,
      () => new Thrown('a value'),
      () => new (this.one([Uint8Array, Int16Array, Float32Array, BigInt64Array]))(this.below(5)),
      () => new DataView(new ArrayBuffer(this.below(8))),
      () => new (this.one([ArrayBuffer, SharedArrayBuffer]))(this.below(8)),
      () => detached(new (this.one([Float32Array, Float64Array, Uint8Array]))(3)),
      () => detached(new ArrayBuffer(8)),
      () => new Blob(['x']),
      () => new Response('x', { status: this.one([200, 404]) }),
      () => new Proxy(Object(inner()), {}),
      () => trapped(this.one([{ a: 1 }, [1, 2, 3], ['a'], new Float32Array(3)]), this.one(TRAPS)),
      () => revoked(this.one([{}, []])),
      () => unreadable(this.one([() => ({ a: 1 }), () => [1, 2, 3]])(), this.one([...KEYS.slice(0, 8), '0'])),
      () => Object.freeze(this.object(depth)),
      () =>
        Object.create(
          this.one([
            Float32Array.prototype,
            Uint8Array.prototype,
            Response.prototype,
            VectorStore.prototype,
            Array.prototype,
          ]),
        ),
      () => Object(this.primitive() ?? 1),
      () =>
        runInNewContext(
          this.one([
            '({ a: [1] })',
            '[1, 0, 0]',
            'new Float32Array(3)',
            'new Date()',
            '(() => true)',
            'new Proxy({}, {})',
          ]),
        ),
      () => this.nested(this.one([5, 96, 97, 300])),
      () => this.cycle(),
    ])();
  }

  /** @param {number} levels @returns {any} */
  nested(levels) {
    const wrap = this.one([
      (/** @type {any} */ inner) => [inner],
      (/** @type {any} */ a) => ({ a }),
      (/** @type {any} */ $not) => ({ $not }),
    ]);
    let value = this.primitive();
    for (let level = 0; level < levels; level++) value = wrap(value);
    return value;
  }

  cycle() {
    const list = /** @type {any[]} */ ([1]);
    list.push({ list, $and: list });
    return list;
  }
}
