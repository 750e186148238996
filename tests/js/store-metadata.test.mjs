// @ts-check
/** Metadata and filters: what JSON has comes back as it went in; everything else is refused, by its place. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';

import {
  Thrown,
  abc,
  embeddings,
  holes,
  idsOf,
  isError,
  refused,
  revoked,
  trapped,
  unreadable,
  VectorStore,
} from './store/twindex.mjs';

/** @typedef {import('./store/twindex.mjs').Value} Value */

class Point {
  x = 1;
}

/** @param {number} levels @param {(inner: any) => any} wrap @param {unknown} inside */
function nested(levels, wrap, inside) {
  let value = inside;
  for (let level = 0; level < levels; level++) value = wrap(value);
  return value;
}

/** @type {[...Value, RegExp][]} */
const NOT_JSON = [
  ['a date', () => new Date(0), /an instance of Date is not a value that JSON has/],
  ['a map', () => new Map([['k', 1]]), /an instance of Map is not a value/],
  ['a set', () => new Set([1]), /an instance of Set is not a value/],
  ['a regular expression', () => /x/, /an instance of RegExp is not a value/],
  ['an instance of a class', () => new Point(), /an instance of Point is not a value/],
  [
    'an object with a prototype of its own',
    () => Object.create({ inherited: 1 }),
    /an object is not a value/,
  ],
  ['a boxed number', () => new Number(1), /an instance of Number is not a value/],
  ['numbers of a typed array', () => new Float32Array(2), /an instance of Float32Array is not a value/],
  ['a promise', () => Promise.resolve(1), /an instance of Promise is not a value/],
  ['an error', () => new Thrown('oh'), /oh is not a value/],
  ['a function', () => () => 1, /a function is not a value/],
  ['a symbol', () => Symbol('s'), /a symbol is not a value/],
  ['a list with undefined', () => [1, undefined], /\[1\]: undefined is not a value/],
  ['a list with holes', () => holes(3, 1), /\[1\]: nothing, a hole in the list is not a value/],
  ['NaN', () => NaN, /the number NaN is not one that JSON has/],
  ['infinity', () => Infinity, /the number Infinity is not one that JSON has/],
  ['minus infinity', () => -Infinity, /the number -Infinity is not one that JSON has/],
  ['a bigint that a number holds', () => 5n, /a number expected where one holds it, got the bigint 5/],
  ['the largest bigint that a number holds', () => 2n ** 53n - 1n, /got the bigint 9007199254740991/],
  [
    'too large a bigint',
    () => 2n ** 64n,
    /from -2\^63 to 2\^64 - 1 expected, got the bigint 18446744073709551616/,
  ],
  [
    'too small a bigint',
    () => -(2n ** 63n) - 1n,
    /from -2\^63 to 2\^64 - 1 expected, got the bigint -9223372036854775809/,
  ],
  ['a huge bigint', () => 10n ** 100n, /from -2\^63 to 2\^64 - 1 expected/],
  ['half of a surrogate pair', () => 'x\ud800', /well-formed Unicode expected/],
  [
    'a key with half of a surrogate pair',
    () => ({ 'x\udc00': 1 }),
    /a key that is well-formed Unicode expected/,
  ],
  ['a getter that throws', () => unreadable({}, 'inner'), /cannot be read: .*inner/],
  ['an item whose getter throws', () => unreadable([1], 1), /cannot be read/],
  ['a revoked proxy', () => revoked({}), /cannot be read/],
  ['a revoked proxy of a list', () => revoked([]), /cannot be read/],
  ['a proxy that does not tell its keys', () => trapped({}, 'ownKeys'), /cannot be read/],
  [
    'a proxy that does not tell about its keys',
    () => trapped({ a: 1 }, 'getOwnPropertyDescriptor'),
    /cannot be read/,
  ],
  ['a proxy that does not tell its prototype', () => trapped({}, 'getPrototypeOf'), /cannot be read/],
  ['a proxy that does not give its fields', () => trapped({ a: 1 }, 'get'), /cannot be read/],
  ['a list behind a proxy that does not give its items', () => trapped([1], 'get'), /cannot be read/],
];

/** @type {Value[]} */
const JSON_VALUES = [
  ['null', () => null],
  ['true', () => true],
  ['zero', () => 0],
  ['a small number', () => 5e-324],
  ['a large number', () => Number.MAX_VALUE],
  ['the largest number that is exact', () => Number.MAX_SAFE_INTEGER],
  ['the first bigint that no number tells apart', () => 2n ** 53n],
  ['its negative', () => -(2n ** 53n)],
  ['a bigint that no number holds', () => 2n ** 53n + 1n],
  ['the largest bigint of 64 signed bits', () => 2n ** 63n - 1n],
  ['one more', () => 2n ** 63n],
  ['the largest bigint of 64 bits', () => 2n ** 64n - 1n],
  ['the smallest bigint of 64 bits', () => -(2n ** 63n)],
  ['an empty string', () => ''],
  ['a string with everything', () => '\0\n"\\ 𝄞\ufeff\uffff'],
  ['an empty list', () => []],
  ['an empty object', () => ({})],
  ['lists in lists', () => [[1, [null, 'x', { y: [2n ** 60n] }]]]],
  ['an empty key', () => ({ '': 1 })],
  ['keys that look like numbers', () => ({ 2: 'b', 1: 'a' })],
  [
    'keys that objects have',
    () => JSON.parse('{"__proto__":{"x":1},"constructor":2,"toString":null,"hasOwnProperty":[]}'),
  ],
  ['a key that is a list`s', () => ({ length: 3, 0: 'a' })],
];

/** @param {any} store @param {unknown} metadata */
async function stored(store, metadata) {
  await store.upsert([{ pageContent: 't', id: 't', metadata }]);
  const [document] = await store.getByIds(['t']);
  return document.metadata;
}

describe('metadata', () => {
  for (const [what, make, message] of NOT_JSON) {
    test(`refuses ${what}`, async () => {
      const store = await abc();
      const metadata = { list: [{ at: make() }] };
      const check = (/** @type {number} */ row) =>
        isError(
          'invalid_metadata',
          new RegExp(`^metadata of document ${row}: list\\[0\\]\\.at.*${message.source}`, 's'),
        );
      const fine = { pageContent: 'fine' };
      await refused(store, () => store.addDocuments([fine, { pageContent: 'no', metadata }]), check(1));
      await refused(store, () => store.upsert([{ pageContent: 'no', id: 'a', metadata }]), check(0));
      await refused(store, () => store.addVectors([[1, 2, 3]], [{ pageContent: 'no', metadata }]), check(0));
      await refused(store, () => store.addTexts(['x', 'y'], [null, metadata]), check(1));
      await refused(store, () => store.addTexts(['x', 'y'], metadata), check(0));
    });
  }

  for (const value of [
    5,
    'x',
    true,
    Symbol('s'),
    5n,
    () => 1,
    [],
    [1],
    new Date(0),
    new Map(),
    new Point(),
  ]) {
    const what = `${typeof value} ${Object.prototype.toString.call(value)}`;
    test(`refuses to be ${what}`, async () => {
      const store = await abc();
      const check = isError('invalid_metadata', /^metadata of document 0: expected an object, got \w/);
      await refused(store, () => store.addDocuments([{ pageContent: 'no', metadata: value }]), check);
      await refused(store, () => store.addTexts(['no'], [value]), check);
      if (!Array.isArray(value)) await refused(store, () => store.addTexts(['no'], value), check);
    });
  }

  for (const [what, make] of JSON_VALUES) {
    test(`gives back ${what}`, async () => {
      const store = await abc();
      const metadata = { value: make(), list: [make()] };
      assert.deepStrictEqual(await stored(store, metadata), metadata);
      const copy = await VectorStore.deserialize(await store.serialize());
      assert.deepStrictEqual((await copy.getByIds(['t']))[0]?.metadata, metadata);
    });
  }

  test('gives back a key `__proto__` as a property of its own, and sets no prototype', async () => {
    const store = await abc();
    const back = await stored(store, JSON.parse('{"__proto__":{"polluted":true},"deep":{"__proto__":[1]}}'));
    for (const object of [back, back.deep]) {
      assert.ok(Object.hasOwn(object, '__proto__'));
      assert.equal(Object.getPrototypeOf(object), Object.prototype);
    }
    assert.deepEqual(back['__proto__'], { polluted: true });
    assert.equal(back.polluted, undefined);
    assert.equal(/** @type {any} */ ({}).polluted, undefined);
  });

  test('takes minus zero for zero, and a whole number for an integer', async () => {
    const back = await stored(await abc(), { zero: -0, one: 1.0, large: 1e15 });
    assert.deepStrictEqual(back, { zero: 0, one: 1, large: 1e15 });
  });

  test('passes over undefined fields, symbols as keys and what cannot be enumerated', async () => {
    const metadata = Object.defineProperty({ a: 1, b: undefined, [Symbol('c')]: 3 }, 'd', { value: 4 });
    assert.deepStrictEqual(await stored(await abc(), metadata), { a: 1 });
  });

  test('takes objects without a prototype, proxies, getters and objects of another realm', async () => {
    const store = await abc();
    const of = (/** @type {any} */ value) => stored(store, value);
    assert.deepEqual(await of(Object.assign(Object.create(null), { a: [1] })), { a: [1] });
    assert.deepEqual(await of(new Proxy({ list: new Proxy([1, 2], {}) }, {})), { list: [1, 2] });
    const getter = {
      get a() {
        return [1];
      },
    };
    assert.deepEqual(await of(getter), { a: [1] });
    assert.deepEqual(await of(runInNewContext('({ a: [1, { b: "x" }], c: Object.create(null) })')), {
      a: [1, { b: 'x' }],
      c: {},
    });
  });

  test('refuses instances of another realm, as those of this one', async () => {
    const store = await abc();
    for (const source of [
      'new Date(0)',
      'new Map()',
      'new (class Q {})()',
      'Object.create({})',
      'new Uint8Array(1)',
    ]) {
      const metadata = { value: runInNewContext(source) };
      const check = isError('invalid_metadata', /value: an .+ is not a value that JSON has/);
      await refused(store, () => store.addDocuments([{ pageContent: 'no', metadata }]), check);
    }
  });

  test('nests 96 levels and not 97', async () => {
    const store = await abc();
    const object = (/** @type {number} */ levels) => nested(levels, (inner) => ({ inner }), 1);
    const list = (/** @type {number} */ levels) => ({ list: nested(levels - 1, (inner) => [inner], 1) });
    for (const make of [object, list]) {
      assert.deepStrictEqual(await stored(store, make(96)), make(96));
      for (const levels of [97, 98, 10_000]) {
        const check = isError('invalid_metadata', /^metadata of document 0: nested more than 96 levels deep/);
        await refused(store, () => stored(store, make(levels)), check);
      }
    }
    const copy = await VectorStore.deserialize(await store.serialize());
    assert.deepStrictEqual((await copy.getByIds(['t']))[0]?.metadata, list(96));
  });

  test('that contains itself is refused', async () => {
    const store = await abc();
    /** @type {any} */
    const cycle = { list: [] };
    cycle.list.push({ again: cycle });
    /** @type {any[]} */
    const inner = [];
    inner.push(inner);
    for (const metadata of [cycle, { inner }]) {
      await refused(
        store,
        () => stored(store, metadata),
        isError('invalid_metadata', /or containing itself/),
      );
    }
  });

  test('of few objects and very many paths through them is refused', async () => {
    const store = await abc();
    const metadata = { rows: Array(2048).fill(Array(2048).fill(0)) };
    await refused(
      store,
      () => stored(store, metadata),
      isError('invalid_metadata', /at most \d+ values expected/),
    );
  });
});

/** @type {((value: unknown) => object)[]} */
const PLACES = [
  (value) => ({ at: value }),
  (value) => ({ at: { $ne: value } }),
  (value) => ({ at: { $in: ['x', value] } }),
  (value) => ({ $or: [{ id: 'a' }, { $not: { at: { $contains: value } } }] }),
];

describe('filters', () => {
  for (const [what, make, message] of NOT_JSON) {
    test(`refuse ${what}`, async () => {
      const store = await abc();
      const check = isError('malformed_filter', new RegExp(`^filter .*at.*${message.source}`, 's'));
      for (const place of PLACES) {
        const filter = place(make());
        await refused(store, () => store.similaritySearch('a', 3, filter), check);
        await refused(store, () => store.similaritySearchBatch(['a'], { filter }), check);
        await refused(store, () => store.maxMarginalRelevanceSearch('a', { filter }), check);
        await refused(store, () => store.delete({ filter }), check);
        await refused(store, () => store.asRetriever({ searchKwargs: { filter } }), check);
      }
    });
  }

  for (const [what, make] of JSON_VALUES.filter(([what]) => !/object|keys/.test(what))) {
    test(`find ${what}`, async () => {
      const value = make();
      const store = await abc();
      await store.addVectors([[1, 1, 1]], [{ pageContent: 'x', id: 'x', metadata: { value } }]);
      assert.deepEqual(idsOf(await store.similaritySearch('a', 4, { value: { $eq: value }, id: null })), [
        'x',
      ]);
      const others = await store.similaritySearch('a', 4, { value: { $ne: value } });
      assert.deepEqual(idsOf(others).sort(), value === null ? [] : ['a', 'b', 'c']);
    });
  }

  for (const value of [
    5,
    'x',
    true,
    Symbol('s'),
    5n,
    [],
    [{ id: 'a' }],
    new Date(0),
    new Map(),
    new Point(),
  ]) {
    test(`refuse to be ${typeof value} ${Object.prototype.toString.call(value)}`, async () => {
      const store = await abc();
      const check = isError('invalid_filter_type', /^a filter is an object or a function, got \w/);
      await refused(store, () => store.similaritySearch('a', 3, value), check);
      await refused(store, () => store.similaritySearchVectorWithScore([1, 0, 0], { filter: value }), check);
      await refused(store, () => store.delete({ filter: value }), check);
    });
  }

  /** @type {[what: string, filter: object, code: string, message: RegExp][]} */
  const wrong = [
    ['an unknown operator', { $nor: [] }, 'unsupported_filter_operator', /"\$nor"/],
    ['an unknown operator of a field', { id: { $regex: 'a' } }, 'unsupported_filter_operator', /"\$regex"/],
    ['a key among operators', { id: { $gt: 1, or: 2 } }, 'unsupported_filter_operator', /"or"/],
    [
      '$in without a list',
      { id: { $in: 5 } },
      'malformed_filter',
      /^\$in in a filter takes a list, got an integer$/,
    ],
    [
      '$and without a list',
      { $and: {} },
      'malformed_filter',
      /^\$and in a filter takes a list of filters, got a map$/,
    ],
    [
      '$not without a filter',
      { $not: 5 },
      'malformed_filter',
      /^\$not in a filter takes a filter, got an integer$/,
    ],
    [
      '$exists of a string',
      { id: { $exists: 'yes' } },
      'malformed_filter',
      /takes true or false, got a string$/,
    ],
  ];
  for (const [what, filter, code, message] of wrong) {
    test(`refuse ${what}`, async () => {
      const store = await abc();
      await refused(store, () => store.similaritySearch('a', 3, filter), isError(code, message));
      await refused(store, () => store.delete({ filter }), isError(code, message));
    });
  }

  test('nest 96 levels and not 97', async () => {
    const store = await abc();
    const not = (/** @type {number} */ levels) => nested(levels, ($not) => ({ $not }), { id: 'a' });
    const and = (/** @type {number} */ levels) => nested(levels, (inner) => ({ $and: [inner] }), { id: 'a' });
    for (const make of [not, and]) {
      assert.deepEqual(idsOf(await store.similaritySearch('a', 3, make(96))), ['a']);
      for (const levels of [97, 98, 10_000]) {
        const check = isError('filter_too_deep', /^the filter is nested more than 96 levels deep$/);
        await refused(store, () => store.similaritySearch('a', 3, make(levels)), check);
        await refused(store, () => store.delete({ filter: make(levels) }), check);
      }
    }
  });

  test('that contain themselves are refused', async () => {
    const store = await abc();
    /** @type {any} */
    const cycle = {};
    cycle.$and = [{ id: 'a' }, cycle];
    await refused(store, () => store.similaritySearch('a', 3, cycle), isError('filter_too_deep'));
  });

  test('of another realm are taken, functions too', async () => {
    const store = await abc();
    const object = runInNewContext('({ id: { $in: ["a", "c"] } })');
    assert.deepEqual(idsOf(await store.similaritySearch('a', 3, object)), ['a', 'c']);
    const predicate = runInNewContext('(document) => document.id === "b"');
    assert.deepEqual(idsOf(await store.similaritySearch('a', 3, predicate)), ['b']);
  });

  test('may ask for a field `__proto__`', async () => {
    const store = await abc();
    const metadata = JSON.parse('{"__proto__":"x"}');
    await store.addVectors([[1, 1, 1]], [{ pageContent: 'p', id: 'p', metadata }]);
    assert.deepEqual(idsOf(await store.similaritySearch('a', 4, metadata)), ['p']);
  });

  test('are taken once: in the options or beside them', async () => {
    const store = await abc();
    const check = isError('invalid_option', /^option filter: expected once/);
    await refused(store, () => store.similaritySearch('a', { filter: {} }, {}), check);
    assert.equal((await store.similaritySearch('a', { filter: null }, {})).length, 3);
    assert.equal((await store.similaritySearch('a', { filter: {} }, null)).length, 3);
  });
});

test('a call that throws while it reads what it was given harms no later call', async () => {
  const store = await abc();
  const documents = [{ pageContent: 'no', metadata: trapped({}, 'ownKeys') }];
  for (let i = 0; i < 2000; i++) {
    await assert.rejects(store.addDocuments(documents), isError('invalid_metadata'));
  }
  assert.deepEqual(await store.addTexts(['d'], null, { ids: ['d'] }), ['d']);
  assert.deepEqual(idsOf(await store.similaritySearch('b', 1)), ['b']);
});

test('fields of a document may be behind getters, which may throw', async () => {
  const store = await abc();
  class Getters {
    get pageContent() {
      return 'got';
    }
    get metadata() {
      return { from: 'a getter' };
    }
    get id() {
      return 'g';
    }
  }
  await store.addDocuments([new Getters()]);
  assert.deepEqual(await store.getByIds(['g']), [
    { pageContent: 'got', metadata: { from: 'a getter' }, id: 'g' },
  ]);
  for (const field of ['pageContent', 'metadata', 'id']) {
    const thrown = new Thrown('private');
    const document = unreadable({ pageContent: 'x' }, field, thrown);
    const message = /^documents\[1\] cannot be read: .*private/;
    const check = isError('invalid_argument', message, { cause: thrown });
    await refused(store, () => store.addDocuments([{ pageContent: 'y' }, document]), check);
  }
});

test('a document is read once, however its getters change', async () => {
  const store = await VectorStore.create(embeddings);
  let reads = 0;
  const document = {
    get pageContent() {
      return `read ${++reads}`;
    },
  };
  await store.addDocuments([document]);
  assert.equal((await store.getByIds(await store.ids()))[0]?.pageContent, 'read 1');
});
