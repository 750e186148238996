// @ts-check
/** Lists of texts, documents, ids, vectors and queries: what is no list, and what is wrong in one. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { abc, holes, isError, refused, revoked, trapped, unreadable } from './store/twindex.mjs';

/** @typedef {(store: any, value: any) => Promise<unknown>} Use */

const HALF = 'x\ud800';

/** What is no list. @type {[what: string, value: unknown, got: RegExp][]} */
const NO_LISTS = [
  ['undefined', undefined, /got undefined$/],
  ['null', null, /got null$/],
  ['a string', 'abc', /got the string "abc"$/],
  ['a number', 5, /got the number 5$/],
  ['a set', new Set(['a']), /got an instance of Set$/],
  ['what looks like a list', { length: 1, 0: 'a' }, /got an object$/],
  ['a function', () => ['a'], /got a function$/],
  ['a promise of one', Promise.resolve(['a']), /got an instance of Promise$/],
  ['integers of a typed array', new Int32Array(3), /got an instance of Int32Array$/],
];

/** Calls that take a list. @type {[name: string, use: Use, what: string][]} */
const LISTS = [
  ['texts', (store, value) => store.addTexts(value), 'texts: expected a list of strings'],
  ['documents', (store, value) => store.addDocuments(value), 'documents: expected a list of documents'],
  ['documents to upsert', (store, value) => store.upsert(value), 'documents: expected a list of documents'],
  [
    'documents beside vectors',
    (store, value) => store.addVectors([[1, 2, 3]], value),
    'documents: expected a list of documents',
  ],
  [
    'vectors',
    (store, value) => store.addVectors(value, [{ pageContent: 'x' }]),
    'vectors: expected a Float32Array or a list of vectors',
  ],
  [
    'vectors to upsert',
    (store, value) => store.upsertVectors(value, [{ pageContent: 'x' }]),
    'vectors: expected a Float32Array or a list of vectors',
  ],
  [
    'queries',
    (store, value) => store.similaritySearchBatch(value),
    'queries: expected a Float32Array or a list of vectors',
  ],
  [
    'a query',
    (store, value) => store.similaritySearchByVector(value),
    'vector: expected a vector: a Float32Array or a list of numbers',
  ],
  ['ids to look up', (store, value) => store.getByIds(value), 'ids: expected a list of strings'],
];

describe('in place of a list', () => {
  for (const [name, use, what] of LISTS) {
    for (const [came, value, got] of NO_LISTS) {
      test(`${came} is refused as ${name}`, async () => {
        const store = await abc();
        await refused(
          store,
          () => use(store, value),
          isError('invalid_argument', new RegExp(`^${what}, ${got.source}`)),
        );
      });
    }
  }

  for (const [came, value, got] of NO_LISTS.slice(2)) {
    test(`${came} is refused as ids`, async () => {
      const store = await abc();
      const check = isError(
        'invalid_argument',
        new RegExp(`^ids: expected a list of strings, ${got.source}`),
      );
      await refused(store, () => store.addTexts(['x'], null, { ids: value }), check);
      await refused(
        store,
        () => store.upsertVectors([[1, 2, 3]], [{ pageContent: 'x' }], { ids: value }),
        check,
      );
      await refused(store, () => store.delete({ ids: value }), check);
    });
  }

  /** @type {[what: string, make: () => unknown][]} */
  const unreadableLists = [
    ['a revoked proxy', () => revoked([])],
    ['a proxy that gives nothing', () => trapped([[1, 2, 3]], 'get')],
    ['a list whose item throws', () => unreadable([], 0)],
  ];
  for (const [came, make] of unreadableLists) {
    test(`${came} cannot be read`, async () => {
      const store = await abc();
      const check = isError('invalid_argument', /cannot be read/);
      for (const [, use] of LISTS) await refused(store, () => use(store, make()), check);
      await refused(store, () => store.addTexts(['x'], null, { ids: make() }), check);
      await refused(store, () => store.delete({ ids: make() }), check);
      const ofMetadata = (/** @type {any} */ error) =>
        ['invalid_argument', 'invalid_metadata'].includes(error.code);
      await refused(store, () => store.addTexts(['x'], make()), ofMetadata);
    });
  }

  test('what only claims to be a typed array is refused', async () => {
    const store = await abc();
    const fakes = [
      Object.create(Float32Array.prototype),
      new Proxy(new Float32Array(3), {}),
      Object.create(Float64Array.prototype),
      new Proxy(new Float64Array(3), {}),
    ];
    for (const fake of fakes) {
      await refused(store, () => store.addVectors(fake, [{ pageContent: 'x' }]), isError('invalid_argument'));
      await refused(
        store,
        () => store.addVectors([fake], [{ pageContent: 'x' }]),
        isError('invalid_argument'),
      );
      await refused(store, () => store.similaritySearchByVector(fake), isError('invalid_argument'));
      await refused(store, () => store.similaritySearchBatch(fake), isError('invalid_argument'));
    }
  });
});

describe('a list with', () => {
  /** @type {[what: string, use: Use, code: string, message: RegExp][]} */
  const cases = [
    [
      'a hole among texts',
      (store) => store.addTexts(holes(3, 'a')),
      'invalid_argument',
      /^texts\[1\]: expected a string, got nothing, a hole in the list$/,
    ],
    [
      'a number among texts',
      (store) => store.addTexts(['a', 5]),
      'invalid_argument',
      /^texts\[1\]: expected a string, got the number 5$/,
    ],
    [
      'a hole among documents',
      (store) => store.addDocuments(holes(2, { pageContent: 'x' })),
      'invalid_argument',
      /^documents\[1\]: expected a document, .*, got nothing, a hole in the list$/,
    ],
    [
      'a string among documents',
      (store) => store.addDocuments(['x']),
      'invalid_argument',
      /^documents\[0\]: expected a document, .*, got the string "x"$/,
    ],
    [
      'a document without a text',
      (store) => store.addDocuments([{}]),
      'invalid_argument',
      /^documents\[0\]\.pageContent: expected a string, got undefined$/,
    ],
    [
      'a document whose text is a number',
      (store) => store.addDocuments([{ pageContent: 1 }]),
      'invalid_argument',
      /^documents\[0\]\.pageContent: expected a string, got the number 1$/,
    ],
    [
      'a document whose id is a number',
      (store) => store.addDocuments([{ pageContent: 'x', id: 7 }]),
      'invalid_argument',
      /^documents\[0\]\.id: expected a string, got the number 7$/,
    ],
    [
      'a number among ids',
      (store) => store.addTexts(['x', 'y'], null, { ids: ['1', 2] }),
      'invalid_argument',
      /^ids\[1\]: expected a string, got the number 2$/,
    ],
    [
      'a hole among ids to look up',
      (store) => store.getByIds(holes(2, 'a')),
      'invalid_argument',
      /^ids\[1\]: expected a string, got nothing, a hole in the list$/,
    ],
    [
      'a hole among ids',
      (store) => store.addTexts(['x'], null, { ids: holes(1) }),
      'invalid_argument',
      /^ids\[0\]: expected a string, got nothing, a hole in the list$/,
    ],
    [
      'a hole among metadatas',
      (store) => store.addTexts(['x', 'y'], holes(2, {})),
      'invalid_metadata',
      /^metadata of document 1: expected an object, got nothing, a hole in the list$/,
    ],
    [
      'a bigint among ids to delete',
      (store) => store.delete({ ids: ['a', 1n] }),
      'invalid_argument',
      /^ids\[1\]: expected a string, got the bigint 1$/,
    ],
    [
      'a hole among vectors',
      (store) => store.addVectors(holes(2, [1, 2, 3]), [{ pageContent: 'x' }, { pageContent: 'y' }]),
      'invalid_argument',
      /^vectors\[1\]: expected a vector: .*, got nothing, a hole in the list$/,
    ],
    [
      'a hole in a vector',
      (store) => store.addVectors([holes(3, 1)], [{ pageContent: 'x' }]),
      'invalid_argument',
      /^vectors\[0\]\[1\]: expected a number, got undefined$/,
    ],
    [
      'strings for numbers',
      (store) => store.addVectors([['1', '2', '3']], [{ pageContent: 'x' }]),
      'invalid_argument',
      /^vectors\[0\]\[0\]: expected a number, got the string "1"$/,
    ],
    [
      'a bigint for a number',
      (store) => store.addVectors([[1, 2n, 3]], [{ pageContent: 'x' }]),
      'invalid_argument',
      /^vectors\[0\]\[1\]: expected a number, got the bigint 2$/,
    ],
    [
      'null for a number',
      (store) => store.addVectors([[1, 2, null]], [{ pageContent: 'x' }]),
      'invalid_argument',
      /^vectors\[0\]\[2\]: expected a number, got null$/,
    ],
    [
      'true for a number',
      (store) => store.similaritySearchByVector([1, true, 0]),
      'invalid_argument',
      /^vector\[1\]: expected a number, got true$/,
    ],
    [
      'a string for a number of a query',
      (store) => store.similaritySearchByVector([1, 2, '3']),
      'invalid_argument',
      /^vector\[2\]: expected a number, got the string "3"$/,
    ],
    [
      'a hole in a query',
      (store) => store.maxMarginalRelevanceSearchByVector(holes(3)),
      'invalid_argument',
      /^vector\[0\]: expected a number, got undefined$/,
    ],
    [
      'a list for a number',
      (store) => store.similaritySearchByVector([[1, 0, 0]]),
      'invalid_argument',
      /^vector\[0\]: expected a number, got a list of 3$/,
    ],
    [
      'integers for a vector',
      (store) => store.addVectors([new Int32Array(3)], [{ pageContent: 'x' }]),
      'invalid_argument',
      /^vectors\[0\]: expected a vector: .*, got an instance of Int32Array$/,
    ],
    [
      'a text and a vector for queries',
      (store) => store.similaritySearchBatch(['a', [1, 0, 0]]),
      'invalid_argument',
      /^queries\[1\]: expected a string, got a list of 3$/,
    ],
    [
      'a vector and a text for queries',
      (store) => store.similaritySearchBatch([[1, 0, 0], 'a']),
      'invalid_argument',
      /^queries\[1\]: expected a vector: .*, got the string "a"$/,
    ],
    [
      'rows of unlike length',
      (store) =>
        store.addVectors(
          [
            [1, 2, 3],
            [1, 2],
          ],
          [{ pageContent: 'x' }, { pageContent: 'y' }],
        ),
      'dimension_mismatch',
      /^vector 1 has 2 numbers, the store's dimension is 3$/,
    ],
    [
      'rows of another length',
      (store) => store.addVectors([[1, 2]], [{ pageContent: 'x' }]),
      'dimension_mismatch',
      /^vector 0 has 2 numbers, the store's dimension is 3$/,
    ],
    [
      'a query of another length',
      (store) => store.similaritySearchByVector([1, 2]),
      'dimension_mismatch',
      /^vector 0 has 2 numbers, the store's dimension is 3$/,
    ],
    [
      'a query of no numbers',
      (store) => store.similaritySearchByVector([]),
      'empty_vector',
      /at least one number, got none$/,
    ],
    [
      'NaN',
      (store) => store.addVectors([[1, NaN, 3]], [{ pageContent: 'x' }]),
      'not_finite',
      /^vector 0 is not finite at component 1$/,
    ],
    [
      'NaN in a query',
      (store) => store.similaritySearchByVector(new Float32Array([0, 0, NaN])),
      'not_finite',
      /^vector 0 is not finite at component 2$/,
    ],
    [
      'an infinity',
      (store) =>
        store.addVectors(
          [
            [1, 2, 3],
            [-Infinity, 2, 3],
          ],
          [{ pageContent: 'x' }, { pageContent: 'y' }],
        ),
      'not_finite',
      /^vector 1 is not finite at component 0$/,
    ],
    [
      'a number beyond f32',
      (store) => store.addVectors([new Float64Array([1, 1e39, 3])], [{ pageContent: 'x' }]),
      'not_finite',
      /^vector 0 is not finite at component 1$/,
    ],
    [
      'fewer vectors than documents',
      (store) => store.addVectors([[1, 2, 3]], [{ pageContent: 'x' }, { pageContent: 'y' }]),
      'length_mismatch',
      /^expected 2 vectors, one for each item, got 1$/,
    ],
    [
      'more vectors than documents',
      (store) => store.addVectors(new Float32Array(6), [{ pageContent: 'x' }]),
      'length_mismatch',
      /^expected 1 vectors, one for each item, got 2$/,
    ],
    [
      'fewer metadatas than texts',
      (store) => store.addTexts(['x', 'y'], [{}]),
      'length_mismatch',
      /^expected 2 metadatas, one for each item, got 1$/,
    ],
    [
      'more ids than texts',
      (store) => store.addTexts(['x'], null, { ids: ['x', 'y'] }),
      'length_mismatch',
      /^expected 1 ids, one for each item, got 2$/,
    ],
    [
      'an id twice',
      (store) => store.addTexts(['x', 'y'], null, { ids: ['z', 'z'] }),
      'duplicate_ids_in_call',
      /: "z"$/,
    ],
    [
      'an id twice to upsert',
      (store) =>
        store.upsert([
          { pageContent: 'x', id: 'a' },
          { pageContent: 'y', id: 'a' },
        ]),
      'duplicate_ids_in_call',
      /: "a"$/,
    ],
    [
      'an id that exists',
      (store) =>
        store.addDocuments([
          { pageContent: 'x', id: 'n' },
          { pageContent: 'y', id: 'b' },
        ]),
      'id_already_exists',
      /: "b"$/,
    ],
    ['an unknown id to delete', (store) => store.delete({ ids: ['a', 'z'] }), 'unknown_id', /: "z"$/],
    [
      'half a surrogate pair among texts',
      (store) => store.addTexts(['x', HALF]),
      'invalid_argument',
      /^texts\[1\]: .*half of a surrogate pair$/,
    ],
    [
      'half a surrogate pair in a text',
      (store) => store.addDocuments([{ pageContent: HALF }]),
      'invalid_argument',
      /^documents\[0\]\.pageContent: expected a string of well-formed Unicode, got /,
    ],
    [
      'half a surrogate pair in an id',
      (store) => store.addDocuments([{ pageContent: 'x', id: HALF }]),
      'invalid_argument',
      /^documents\[0\]\.id: expected a string of well-formed Unicode, got /,
    ],
    [
      'half a surrogate pair among ids',
      (store) => store.addTexts(['x'], null, { ids: [HALF] }),
      'invalid_argument',
      /^ids\[0\]: .*half of a surrogate pair$/,
    ],
    [
      'half a surrogate pair among ids to look up',
      (store) => store.getByIds([HALF]),
      'invalid_argument',
      /^ids\[0\]: .*half of a surrogate pair$/,
    ],
    [
      'half a surrogate pair among queries',
      (store) => store.similaritySearchBatch(['x', HALF]),
      'invalid_argument',
      /^queries\[1\]: .*half of a surrogate pair$/,
    ],
    [
      'half a surrogate pair in a query',
      (store) => store.similaritySearch(HALF),
      'invalid_argument',
      /^query: .*half of a surrogate pair$/,
    ],
  ];
  for (const [what, use, code, message] of cases) {
    test(`${what} is refused`, async () => {
      const store = await abc();
      await refused(store, () => use(store, undefined), isError(code, message));
    });
  }

  test('undefined and null for ids makes ids', async () => {
    const store = await abc();
    const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    const ids = await store.addTexts(['1', '2', '3', '4'], null, {
      ids: [undefined, null, 'own', undefined],
    });
    assert.equal(ids[2], 'own');
    for (const id of [ids[0], ids[1], ids[3]]) assert.match(id, uuid);
    assert.equal(new Set(ids).size, 4);
  });
});
