// @ts-check
/**
 * Values that cannot be sent to a worker, or would arrive there as something else: what the main class does
 * with them, and says of them, the worker's class does and says as well.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { pack } from '../../wasm/js/rpc-values.mjs';
import { embed, embeddings, isError, main, storeOf, worker } from './worker/twindex.mjs';

class Point {
  x = 1;
}

/** A document with its fields behind getters. */
class Getters {
  get pageContent() {
    return 'so';
  }
  get metadata() {
    return { from: 'a getter' };
  }
  get id() {
    return 'got';
  }
}

class Unreadable {
  get pageContent() {
    throw new Error('not for you');
  }
}

/**
 * @param {number} levels
 * @param {(inner: unknown) => unknown} wrap
 * @param {unknown} [inside]
 */
function nested(levels, wrap, inside = 1) {
  let value = inside;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

/** @param {number} levels */
const deep = (levels) => nested(levels, (inner) => ({ inner }));

function cyclic() {
  /** @type {Record<string, unknown>} */
  const cycle = { list: [] };
  cycle.self = { list: [cycle], again: cycle };
  return cycle;
}

/** Few objects, and more paths through them than anything could walk. @param {unknown} inside */
const shared = (inside) => nested(60, (inner) => ({ left: inner, right: inner }), inside);

function detached() {
  const array = new Float32Array([1, 2]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function detachedView() {
  const view = new DataView(new ArrayBuffer(8));
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

function holes() {
  const list = [1];
  list[3] = 2;
  return list;
}

/** @type {[string, () => unknown][]} */
const JSON_LIKE = [
  ['a function', () => () => 1],
  ['a class', () => Point],
  ['a symbol', () => Symbol('s')],
  ['a date', () => new Date(0)],
  ['a map', () => new Map([[1, () => 2]])],
  ['a set', () => new Set([1])],
  ['a weak map', () => new WeakMap()],
  ['an instance', () => new Point()],
  ['a promise', () => Promise.resolve(1)],
  ['a regular expression', () => /x/],
  ['an error', () => new TypeError('t')],
  ['bytes', () => new Uint8Array(2)],
  ['a buffer', () => new ArrayBuffer(2)],
  ['detached numbers', detached],
  ['a view of detached data', () => detachedView()],
  ['a boxed number', () => new Number(2)],
  ['a boxed string', () => new String('s')],
  ['a URL', () => new URL('http://localhost')],
  ['a blob', () => new Blob(['x'])],
  ['a response', () => new Response('x')],
  ['a signal', () => new AbortController().signal],
  ['NaN', () => NaN],
  ['minus zero', () => -0],
  ['a small bigint', () => 5n],
  ['a large bigint', () => 2n ** 60n],
  ['too large a bigint', () => 2n ** 70n],
  ['undefined', () => undefined],
  ['a list with undefined', () => [undefined]],
  ['a list with holes', () => holes()],
  ['a list of nothing but holes', () => Object.assign([], { length: 1e5 })],
  ['a function deep inside', () => [{ list: [() => 1] }]],
  ['a proxy', () => new Proxy({ list: new Proxy([1], {}) }, {})],
  ['an object without a prototype', () => Object.assign(Object.create(null), { a: 1 })],
  ['keys that objects have', () => JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "toString": null}')],
  ['a symbol as a key', () => ({ [Symbol('k')]: 1, a: 2 })],
  [
    'arguments',
    () =>
      (function () {
        return arguments;
      })(),
  ],
  ['half a surrogate pair', () => '\ud800'],
  [
    'a getter that throws',
    () => ({
      get x() {
        throw new RangeError('x');
      },
    }),
  ],
  ['what contains itself', cyclic],
  ['94 levels', () => deep(94)],
  ['95 levels', () => deep(95)],
  ['96 levels', () => deep(96)],
  ['97 levels', () => deep(97)],
  ['300 levels', () => deep(300)],
  ['10,000 levels', () => deep(10_000)],
  ['10,000 levels of lists', () => nested(10_000, (inner) => [inner])],
];

/** @type {[string, () => unknown][]} */
const VECTORS = [
  ['a list', () => [1, 2, 0]],
  ['a Float32Array', () => new Float32Array([1, 2, 0])],
  ['a Float64Array', () => new Float64Array([1, 2, 0])],
  ['a part of an array', () => new Float32Array([9, 1, 2, 0, 9]).subarray(1, 4)],
  ['a small part of a large array', () => new Float32Array(1000).subarray(10, 13)],
  ['shared memory', () => new Float32Array(new SharedArrayBuffer(12))],
  ['a proxy', () => new Proxy([1, 2, 0], {})],
  ['bytes', () => new Uint8Array(3)],
  ['bigints of an array', () => new BigInt64Array(3)],
  ['a detached array', detached],
  ['a detached buffer', () => detached().buffer],
  ['a view of data', () => new DataView(new ArrayBuffer(12))],
  ['a list with NaN', () => [NaN, 1, 2]],
  ['a list with infinity', () => [1, Infinity, 2]],
  ['a list with a string', () => [1, '2', 3]],
  ['a list with a bigint', () => [1, 2n, 3]],
  ['a list with a function', () => [1, () => 2, 3]],
  ['a list with a symbol', () => [1, Symbol('2'), 3]],
  ['holes', () => [, 1, 2]], // eslint-disable-line no-sparse-arrays
  ['a list of lists', () => [[1, 2, 0]]],
  ['too few numbers', () => [1]],
  ['too many numbers', () => [1, 2, 3, 4]],
  ['no numbers', () => []],
  ['what looks like a list', () => ({ length: 3, 0: 1, 1: 2, 2: 3 })],
  ['a set', () => new Set([1, 2, 3])],
  ['an instance', () => new Point()],
  ['a promise', () => Promise.resolve([1, 2, 3])],
  ['a function', () => () => [1, 2, 3]],
  ['a string', () => '123'],
  ['null', () => null],
  ['undefined', () => undefined],
];

/** @type {[string, () => unknown][]} */
const OPTIONS = [
  ['null', () => null],
  ['an instance', () => Object.assign(new Point(), { k: 2 })],
  ['a proxy', () => new Proxy({ k: 2 }, {})],
  ['a list', () => [1]],
  ['a function', () => () => 1],
  ['a symbol', () => Symbol('k')],
  ['a date', () => new Date(0)],
  ['an unknown key', () => ({ kk: 3 })],
  ['an unknown key with a function', () => ({ kk: () => 3 })],
  ['a symbol as a key', () => ({ [Symbol('x')]: 1, k: 1 })],
  [
    'a getter that throws',
    () => ({
      get k() {
        throw new Error('k');
      },
    }),
  ],
  ['nulls', () => ({ k: null, filter: null, signal: null })],
  ...[-1, 0, 1.5, NaN, Infinity, '3', 3n, [3], {}, () => 3, Symbol('3'), new Number(3)].map(
    (k) => /** @type {[string, () => unknown]} */ ([`k: ${typeof k} ${String(k)}`, () => ({ k })]),
  ),
  ...[
    5,
    new Date(0),
    [],
    new Map(),
    { $x: 1 },
    { a: { $in: 5 } },
    { a: () => 1 },
    Promise.resolve(),
    deep(300),
    cyclic(),
    Point,
  ].map(
    (filter, i) =>
      /** @type {[string, () => unknown]} */ ([
        `filter ${i}: ${Object.prototype.toString.call(filter)}`,
        () => ({ filter }),
      ]),
  ),
  ...[1, null, undefined, 'true', NaN, {}, async () => true, () => () => true, Symbol('s')].map(
    (answer) =>
      /** @type {[string, () => unknown]} */ ([
        `a filter that gives ${String(answer)}`,
        () => ({ filter: () => answer }),
      ]),
  ),
  ...[{}, 5, new Point(), () => 1, { aborted: true }].map(
    (signal) => /** @type {[string, () => unknown]} */ ([`signal: ${String(signal)}`, () => ({ signal })]),
  ),
];

/**
 * What comes of a call, as text.
 *
 * @param {() => Promise<unknown>} call
 */
async function outcomeOf(call) {
  try {
    return show(await call());
  } catch (error) {
    assert.ok(error instanceof worker.VectorStoreError, `a VectorStoreError expected, got ${String(error)}`);
    return `${error.code}: ${error.message}`;
  }
}

/** @param {unknown} value */
function show(value) {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'bigint' || Object.is(inner, -0)
      ? `${typeof inner} ${Object.is(inner, -0) ? '-0' : inner}`
      : ArrayBuffer.isView(inner)
        ? Array.from(/** @type {Float32Array} */ (inner))
        : inner,
  );
}

/** Everything in a store. @param {any} store */
async function contentOf(store) {
  return [await store.getByIds(await store.ids()), await store.getVectors()];
}

/** @param {typeof main | typeof worker} twindex @returns {Promise<any>} */
const fresh = async (twindex) =>
  twindex.VectorStore.fromVectors(
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    ['a', 'b', 'c'].map((id) => ({ pageContent: id, id, metadata: { id } })),
    embeddings,
  );

/**
 * @param {string} name
 * @param {[string, () => unknown][]} values
 * @param {(twindex: any, value: any) => Promise<unknown>} use
 */
function same(name, values, use) {
  test(name, async () => {
    for (const [what, make] of values) {
      const value = make();
      assert.equal(await outcomeOf(() => use(worker, value)), await outcomeOf(() => use(main, value)), what);
    }
  });
}

describe('values in metadata', () => {
  same('of a document', JSON_LIKE, async (twindex, value) => {
    const store = await fresh(twindex);
    await store.addDocuments([{ pageContent: 'd', id: 'd', metadata: { value } }]);
    return contentOf(store);
  });
  same('beside vectors', JSON_LIKE, async (twindex, value) => {
    const store = await fresh(twindex);
    await store.upsertVectors([[1, 1, 1]], [{ pageContent: 'b', id: 'b', metadata: { value } }]);
    return contentOf(store);
  });
  same('that are all of it', JSON_LIKE, async (twindex, value) =>
    contentOf(await twindex.VectorStore.fromTexts(['t'], [value], embeddings, { ids: ['t'] })),
  );
  same('that are one for all texts', JSON_LIKE, async (twindex, value) => {
    const store = await fresh(twindex);
    await store.addTexts(['t', 'u'], value, { ids: ['t', 'u'] });
    return contentOf(store);
  });
});

describe('values in place of', () => {
  same(
    'a document',
    [
      ...JSON_LIKE,
      ...VECTORS,
      ['getters', () => new Getters()],
      ['getters that throw', () => new Unreadable()],
    ],
    async (twindex, value) => {
      const store = await fresh(twindex);
      await store.addDocuments([value]);
      return contentOf(store);
    },
  );
  same('documents', VECTORS, async (twindex, value) => (await fresh(twindex)).addDocuments(value));
  same('texts', VECTORS, async (twindex, value) => (await fresh(twindex)).addTexts(value));
  same('ids', VECTORS, async (twindex, value) => (await fresh(twindex)).getByIds(value));
  same('an id', VECTORS, async (twindex, value) => (await fresh(twindex)).getVector(value));
  same('ids to delete', VECTORS, async (twindex, value) => (await fresh(twindex)).delete({ ids: value }));
  same('a query', VECTORS, async (twindex, value) => (await fresh(twindex)).similaritySearch(value));
  same('another store', VECTORS, async (twindex, value) => (await fresh(twindex)).mergeFrom(value));
  same('embeddings', [...JSON_LIKE, ...VECTORS], async (twindex, value) =>
    (await twindex.VectorStore.create(value)).count(),
  );
  same(
    'a filter',
    JSON_LIKE.filter(([name]) => name !== 'a class'),
    async (twindex, value) => (await fresh(twindex)).similaritySearch('so', 3, value),
  );
  same('a name', VECTORS, async (twindex, value) => twindex.VectorStore.load(value));
});

describe('vectors', () => {
  same('as a query', VECTORS, async (twindex, value) =>
    (await fresh(twindex)).similaritySearchVectorWithScore(value, 2),
  );
  same('as a list of one', VECTORS, async (twindex, value) => {
    const store = await fresh(twindex);
    await store.addVectors([value], [{ pageContent: 'd', id: 'd' }]);
    return contentOf(store);
  });
  same('as they are', VECTORS, async (twindex, value) => {
    const store = await fresh(twindex);
    await store.addVectors(value, [{ pageContent: 'd', id: 'd' }]);
    return contentOf(store);
  });
  same('as queries', VECTORS, async (twindex, value) =>
    (await fresh(twindex)).similaritySearchBatch(value, 2),
  );
  same('in place of bytes', VECTORS, async (twindex, value) =>
    contentOf(await twindex.VectorStore.deserialize(value)),
  );
  same('that embeddings answer for documents', VECTORS, async (twindex, value) =>
    contentOf(
      await twindex.VectorStore.fromTexts(
        ['t'],
        null,
        { embedDocuments: () => [value], embedQuery: () => [] },
        { ids: ['t'] },
      ),
    ),
  );
  same('that embeddings answer in place of a list', VECTORS, async (twindex, value) =>
    contentOf(
      await twindex.VectorStore.fromTexts(
        ['t'],
        null,
        { embedDocuments: async () => value, embedQuery: () => [] },
        { ids: ['t'] },
      ),
    ),
  );
  same('that embeddings answer for a query', VECTORS, async (twindex, value) => {
    const store = await twindex.VectorStore.create({ embedDocuments: () => [], embedQuery: () => value });
    await store.addVectors([[1, 2, 3]], [{ pageContent: 'd', id: 'd' }]);
    return store.similaritySearchWithScore('q');
  });
});

describe('options', () => {
  same('of a search', OPTIONS, async (twindex, value) =>
    (await fresh(twindex)).similaritySearchWithScore('so', value),
  );
  same('of a search with a filter function beside them', OPTIONS, async (twindex, value) =>
    (await fresh(twindex)).similaritySearchWithScore('so', value, () => true),
  );
  same('of MMR', OPTIONS, async (twindex, value) =>
    (await fresh(twindex)).maxMarginalRelevanceSearch('so', value),
  );
  same('of a search by relevance', OPTIONS, async (twindex, value) =>
    (
      await storeOf(twindex, 3, { relevanceScoreFn: (score) => 1 / (1 + score) })
    ).similaritySearchWithRelevanceScores('so', value),
  );
  same('of a retriever', OPTIONS, async (twindex, value) =>
    (await (await fresh(twindex)).asRetriever(value)).invoke('so'),
  );
  same('of its searches', OPTIONS, async (twindex, value) =>
    (await (await fresh(twindex)).asRetriever({ searchKwargs: value })).invoke('so'),
  );
  same('of one of its searches', OPTIONS, async (twindex, value) =>
    (await (await fresh(twindex)).asRetriever({ searchKwargs: { filter: () => false } })).invoke('so', value),
  );
  same('of a delete', OPTIONS, async (twindex, value) => {
    const store = await fresh(twindex);
    return [await store.delete(value), await contentOf(store)];
  });
  same('of adding', OPTIONS, async (twindex, value) =>
    (await fresh(twindex)).addDocuments([{ pageContent: 't', id: 't' }], value),
  );
  same('of a new store', [...OPTIONS, ...JSON_LIKE], async (twindex, value) =>
    (await twindex.VectorStore.create(embeddings, value)).info(),
  );
  same(
    'of storage',
    OPTIONS.filter(([name]) => name !== 'a getter that throws'),
    async (twindex, value) => twindex.VectorStore.list(value),
  );
});

test('an object is looked at and copied once, however many paths lead to it', () => {
  for (const [whole, inside] of /** @type {[boolean, unknown][]} */ ([
    [false, 1],
    [true, 1],
    [false, Symbol('s')],
  ])) {
    const { value, standIns } = pack([shared(inside)], undefined, whole);
    const arrived = /** @type {any} */ (structuredClone(value));
    assert.equal(arrived[0].left, arrived[0].right);
    assert.equal(arrived[0].left.left, arrived[0].right.right);
    assert.equal(standIns.length, inside === 1 ? 0 : 2);
  }
});

test('what cannot be sent in any way is an argument that is invalid', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const store = await fresh(worker);
  const documents = [{ pageContent: 'd', metadata: { proxy } }];
  await assert.rejects(
    store.addDocuments(documents),
    isError('invalid_argument', { message: /argument cannot be/ }),
  );
  await assert.rejects(
    store.similaritySearch('so', { proxy }),
    isError('invalid_argument', { message: /argument cannot be/ }),
  );
  const odd = { embedDocuments: () => /** @type {any} */ ([proxy]), embedQuery: () => embed('so') };
  await assert.rejects(worker.VectorStore.fromTexts(['t'], null, odd), isError('embeddings_custom'));
  assert.equal(await store.count(), 3);
});

test('errors that are hard to read are causes too', async () => {
  const itself = new Error('its own cause');
  itself.cause = itself;
  const hostile = Object.defineProperty(new Error(), 'message', {
    get: () => {
      throw itself;
    },
  });
  const thrown = [
    itself,
    hostile,
    Object.assign(new Error(), { message: Symbol('m') }),
    Object.assign(new Error('n'), { name: undefined }),
    Symbol('s'),
    () => {},
    cyclic(),
    new AggregateError([itself], 'many'),
    new DOMException('d', 'NetworkError'),
  ];
  for (const cause of thrown) {
    const store = await worker.VectorStore.create({
      ...embeddings,
      embedQuery: () => {
        throw cause;
      },
    });
    await assert.rejects(store.similaritySearch('q'), isError('embeddings_custom', { cause }));
  }
});
