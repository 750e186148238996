// @ts-check
/** What calls are given: wrong types, shapes and values are refused in words, nothing is coerced, and the store stays as it was. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';

import {
  Thrown,
  VectorStore,
  abc,
  detached,
  embeddings,
  holes,
  idsOf,
  isError,
  refused,
  revoked,
  trapped,
  unreadable,
} from './store/twindex.mjs';

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

describe('flat vectors', () => {
  const document = { pageContent: 'x' };

  test('need a dimension while the store has none', async () => {
    const store = await VectorStore.create();
    const message = /^vectors: a flat Float32Array needs the option dim while the store has no vectors$/;
    await refused(
      store,
      () => store.addVectors(new Float32Array(4), [document]),
      isError('invalid_argument', message),
    );
    await refused(store, () => store.similaritySearchBatch(new Float32Array(4)), isError('invalid_argument'));
    await store.addVectors(new Float32Array([1, 2, 3, 4]), [document, document], { dim: 2 });
    assert.deepEqual(await store.getVectors(), new Float32Array([1, 2, 3, 4]));
  });

  test('have to divide into rows', async () => {
    const store = await abc();
    const check = isError('ragged_rows', /^4 numbers do not divide into rows of 3$/);
    await refused(store, () => store.addVectors(new Float32Array(4), [document]), check);
    await refused(store, () => store.similaritySearchBatch(new Float32Array(4)), check);
  });

  test('have to agree with the store, whatever dimension is given', async () => {
    const store = await abc();
    const check = isError('dimension_mismatch', /^vector 0 has 2 numbers, the store's dimension is 3$/);
    await refused(
      store,
      () => store.addVectors(new Float32Array(4), [document, document], { dim: 2 }),
      check,
    );
    const list = isError('dimension_mismatch', /^vector 0 has 3 numbers, the store's dimension is 2$/);
    await refused(store, () => store.addVectors([[1, 2, 3]], [document], { dim: 2 }), list);
  });

  test('are 32-bit numbers', async () => {
    const store = await abc();
    const check = isError(
      'invalid_argument',
      /^vectors: expected a Float32Array or a list of vectors, got an instance of Float64Array$/,
    );
    await refused(store, () => store.addVectors(new Float64Array(3), [document]), check);
  });
});

test('numbers of every kind of vector are taken as they are', async () => {
  const store = await VectorStore.create();
  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared.set([3, 4]);
  const part = new Float32Array([9, 5, 6, 9]).subarray(1, 3);
  const vectors = [[1, 2], new Float64Array([0.1, 1e-50]), shared, part, new Proxy([7, 8], {})];
  await store.addVectors(
    vectors,
    vectors.map(() => ({ pageContent: '' })),
  );
  const expected = [1, 2, 0.1, 0, 3, 4, 5, 6, 7, 8];
  assert.deepEqual(await store.getVectors(), new Float32Array(expected));
});

test('vectors and bytes of another realm are those of this one', async () => {
  const store = await abc();
  for (const source of ['[0, 1, 0]', 'new Float32Array([0, 1, 0])', 'new Float64Array([0, 1, 0])']) {
    assert.deepEqual(idsOf(await store.similaritySearchByVector(runInNewContext(source), 1)), ['b'], source);
    const id = await store.addVectors([runInNewContext(source)], [{ pageContent: source }]);
    assert.deepEqual(await store.getVector(id[0]), new Float32Array([0, 1, 0]));
  }
  assert.equal((await store.similaritySearchBatch(runInNewContext('new Float32Array(6)'))).length, 2);
  assert.deepEqual(
    await store.addTexts(runInNewContext('["x"]'), null, runInNewContext('({ ids: ["x"] })')),
    ['x'],
  );
  const bytes = await store.serialize();
  for (const source of ['new Uint8Array(bytes)', 'new Uint8Array(bytes).buffer']) {
    const copy = await VectorStore.deserialize(runInNewContext(source, { bytes: Array.from(bytes) }));
    assert.deepEqual(await copy.serialize(), bytes);
  }
});

describe('detached memory', () => {
  test('is refused as vectors and as a query', async () => {
    const store = await abc();
    const documents = [{ pageContent: 'x' }];
    const flat = (/** @type {string} */ what) =>
      isError(
        'invalid_argument',
        new RegExp(`^${what}: expected memory that was not given away, got an instance of Float32Array$`),
      );
    await refused(store, () => store.addVectors(detached(new Float32Array(3)), documents), flat('vectors'));
    await refused(
      store,
      () => store.upsertVectors(detached(new Float32Array(3)), documents),
      flat('vectors'),
    );
    await refused(store, () => store.similaritySearchBatch(detached(new Float32Array(3))), flat('queries'));
    for (const make of [() => detached(new Float32Array(3)), () => detached(new Float64Array(3))]) {
      const row = isError('invalid_argument', /^vectors\[0\]: expected a vector/);
      await refused(store, () => store.addVectors([make()], documents), row);
      await refused(
        store,
        () => store.similaritySearchByVector(make()),
        isError('invalid_argument', /^vector: expected a vector/),
      );
    }
  });

  test('is refused as bytes', async () => {
    const bytes = await (await abc()).serialize();
    const check = isError(
      'invalid_argument',
      /^bytes: expected memory that was not given away, got an instance of /,
    );
    await assert.rejects(VectorStore.deserialize(detached(bytes.slice())), check);
    await assert.rejects(VectorStore.deserialize(detached(bytes.slice().buffer)), check);
    const empty = isError('not_a_store', /an empty file/);
    await assert.rejects(VectorStore.deserialize(new Uint8Array()), empty);
    await assert.rejects(VectorStore.deserialize(new ArrayBuffer(0)), empty);
  });
});

test('vectors of zeros have no direction: a cosine store takes none and looks for none', async () => {
  const store = await abc(embeddings, { distanceStrategy: 'COSINE' });
  const check = isError('zero_vector', /^vector 0 is all zeros/);
  await refused(store, () => store.addVectors(new Float32Array(3), [{ pageContent: 'x' }]), check);
  await refused(
    store,
    () => store.upsert([{ pageContent: 'none of the letters'.replace(/[abc]/g, ''), id: 'a' }]),
    check,
  );
  await refused(store, () => store.similaritySearchByVector([0, 0, 0]), check);
  await refused(store, () => store.similaritySearch('x'), check);
  await refused(store, () => store.maxMarginalRelevanceSearchByVector([0, -0, 0]), check);
});

/** Every way to ask for `k`. @type {[name: string, use: Use][]} */
const WITH_K = [
  ['similaritySearch', (store, k) => store.similaritySearch('a', k)],
  ['similaritySearch with options', (store, k) => store.similaritySearch('a', { k })],
  ['similaritySearchWithScore', (store, k) => store.similaritySearchWithScore('a', k)],
  ['similaritySearchByVector', (store, k) => store.similaritySearchByVector([1, 0, 0], k)],
  ['similaritySearchVectorWithScore', (store, k) => store.similaritySearchVectorWithScore([1, 0, 0], { k })],
  ['similaritySearchBatch', (store, k) => store.similaritySearchBatch(['a'], k)],
  ['similaritySearchWithRelevanceScores', (store, k) => store.similaritySearchWithRelevanceScores('a', k)],
  ['maxMarginalRelevanceSearch', (store, k) => store.maxMarginalRelevanceSearch('a', k)],
  [
    'maxMarginalRelevanceSearchByVector',
    (store, k) => store.maxMarginalRelevanceSearchByVector([1, 0, 0], { k }),
  ],
  [
    'maxMarginalRelevanceSearchWithScoreByVector',
    (store, k) => store.maxMarginalRelevanceSearchWithScoreByVector([1, 0, 0], k),
  ],
  ['search', (store, k) => store.search('a', 'similarity', { k })],
  ['search by MMR', (store, k) => store.search('a', 'mmr', { k })],
  ['a retriever', async (store, k) => (await store.asRetriever({ searchKwargs: { k } })).invoke('a')],
  ['a call of a retriever', async (store, k) => (await store.asRetriever()).invoke('a', { k })],
];

describe('k', () => {
  for (const [name, use] of WITH_K) {
    test(`of ${name} is a whole number of at least 1`, async () => {
      const store = await abc();
      for (const k of [0, -0, -1, -1e300]) {
        await refused(store, () => use(store, k), isError('k_not_positive', /^k must be at least 1/));
      }
      for (const k of [1.5, -0.5, NaN, -Infinity, '3', '', 3n]) {
        const got = typeof k === 'string' ? `the string "${k}"` : `the ${typeof k} ${k}`;
        const message = new RegExp(`^option k: expected a whole number, got ${got.replace('.', '\\.')}$`);
        await refused(store, () => use(store, k), isError('invalid_option', message));
      }
      for (const k of [true, [3], () => 3, Symbol('3')]) {
        const wrong = (/** @type {any} */ error) =>
          isError(
            error.code === 'invalid_option' ? 'invalid_option' : 'invalid_argument',
            /expected .*, got /,
          )(error);
        await refused(store, () => use(store, k), wrong);
      }
    });

    test(`of ${name} may be larger than any store`, async () => {
      const store = await abc();
      for (const k of [3, 4, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 1, Number.MAX_VALUE, Infinity]) {
        const found = /** @type {any[]} */ (await use(store, k));
        assert.equal((name === 'similaritySearchBatch' ? found[0] : found).length, 3, String(k));
      }
      const four = /** @type {any[]} */ (await use(store, undefined));
      assert.equal((name === 'similaritySearchBatch' ? four[0] : four).length, 3);
    });
  }
});

describe('options', () => {
  const wrongNumbers = ['1', 1n, true, [1], {}, () => 1, Symbol('1')];

  test('fetchK is a whole number of at least 1', async () => {
    const store = await abc();
    const use = (/** @type {any} */ fetchK) => store.maxMarginalRelevanceSearch('a', { fetchK });
    for (const value of [0, -1]) {
      await refused(store, () => use(value), isError('k_not_positive', /^fetchK must be at least 1/));
    }
    for (const value of [1.5, NaN, -Infinity, ...wrongNumbers]) {
      const check = isError('invalid_option', /^option fetchK: expected a whole number, got /);
      await refused(store, () => use(value), check);
      await refused(store, () => store.similaritySearch('a', { fetchK: value }), check);
    }
    for (const value of [2 ** 32, Infinity, null, undefined]) assert.equal((await use(value)).length, 3);
  });

  for (const option of ['lambda', 'scoreThreshold']) {
    test(`${option} is a number`, async () => {
      const store = await abc();
      for (const value of [NaN, ...wrongNumbers]) {
        const check = isError('invalid_option', new RegExp(`^option ${option}: expected a number, got `));
        await refused(store, () => store.maxMarginalRelevanceSearch('a', { [option]: value }), check);
        await refused(store, () => store.search('a', 'mmr', { [option]: value }), check);
        await refused(
          store,
          async () =>
            (await store.asRetriever({ searchType: 'mmr', searchKwargs: { [option]: value } })).invoke('a'),
          check,
        );
      }
      for (const value of [null, undefined]) {
        assert.equal((await store.maxMarginalRelevanceSearch('a', { [option]: value })).length, 3);
      }
    });
  }

  test('batchSize is a whole number of at least 1', async () => {
    const store = await abc();
    for (const batchSize of [0, -1, 1.5, NaN, -Infinity, ...wrongNumbers]) {
      const check = isError('invalid_option', /^option batchSize: expected .*, got /);
      await refused(store, () => store.addTexts(['x'], null, { batchSize }), check);
      await refused(store, () => store.upsert([{ pageContent: 'x' }], { batchSize }), check);
      await assert.rejects(
        VectorStore.fromTexts(['x'], null, embeddings, /** @type {any} */ ({ batchSize })),
        check,
      );
    }
  });

  test('dim is a whole number that a vector can have', async () => {
    for (const dim of [1.5, NaN, Infinity, -Infinity, 2 ** 32, 2 ** 53, ...wrongNumbers]) {
      const check = isError('invalid_option', /^option dim: expected .*, got /);
      await assert.rejects(VectorStore.create(null, /** @type {any} */ ({ dim })), check);
      await assert.rejects(
        VectorStore.fromVectors(
          new Float32Array(2),
          [{ pageContent: '' }],
          null,
          /** @type {any} */ ({ dim }),
        ),
        check,
      );
    }
    for (const dim of [0, -1])
      await assert.rejects(VectorStore.create(null, { dim }), isError('empty_vector'));
  });

  /** @type {[option: string, value: unknown, code: string, message: RegExp][]} */
  const ofStores = [
    [
      'distanceStrategy',
      5,
      'invalid_option',
      /^option distanceStrategy: expected a string, got the number 5$/,
    ],
    ['distanceStrategy', 'JACCARD', 'unknown_distance_strategy', /"JACCARD": expected EUCLIDEAN_DISTANCE, /],
    ['distanceStrategy', '', 'unknown_distance_strategy', /""/],
    ['normalizeL2', 1, 'invalid_option', /^option normalizeL2: expected true or false, got the number 1$/],
    [
      'normalizeL2',
      'true',
      'invalid_option',
      /^option normalizeL2: expected true or false, got the string "true"$/,
    ],
    [
      'relevanceScoreFn',
      5,
      'invalid_option',
      /^option relevanceScoreFn: expected a function, got the number 5$/,
    ],
    ['onWarning', {}, 'invalid_option', /^option onWarning: expected a function, got an object$/],
    ['signal', 5, 'invalid_option', /^option signal: expected an AbortSignal, got the number 5$/],
    ['colour', 'red', 'invalid_option', /^unknown option "colour": expected one of /],
  ];
  for (const [option, value, code, message] of ofStores) {
    test(`${option} of a store is not ${typeof value} ${String(value)}`, async () => {
      const options = /** @type {any} */ ({ [option]: value });
      const documents = [{ pageContent: 'x' }];
      const bytes = await (await abc()).serialize();
      await assert.rejects(VectorStore.create(null, options), isError(code, message));
      await assert.rejects(VectorStore.fromTexts(['x'], null, embeddings, options), isError(code, message));
      await assert.rejects(VectorStore.fromDocuments(documents, embeddings, options), isError(code, message));
      await assert.rejects(VectorStore.fromVectors([[1]], documents, null, options), isError(code, message));
      await assert.rejects(VectorStore.deserialize(bytes, null, options), isError(code, message));
    });
  }

  test('onProgress is a function', async () => {
    const store = await abc();
    const check = isError('invalid_option', /^option onProgress: expected a function, got true$/);
    await refused(store, () => store.addTexts(['x'], null, { onProgress: true }), check);
  });

  test('an existing store is opened with its own settings', async () => {
    const bytes = await (await abc()).serialize();
    /** @type {[object, RegExp][]} */
    const settings = [
      [{ distanceStrategy: 'cosine' }, /is EUCLIDEAN_DISTANCE, the loader was given COSINE$/],
      [{ normalizeL2: true }, /is false, the loader was given true$/],
      [{ dim: 4 }, /is 3, the loader was given 4$/],
    ];
    for (const [options, message] of settings) {
      await assert.rejects(
        VectorStore.deserialize(bytes, null, options),
        isError('setting_mismatch', message),
      );
    }
    const same = { distanceStrategy: /** @type {const} */ ('l2'), normalizeL2: false, dim: 3 };
    assert.equal(await (await VectorStore.deserialize(bytes, null, same)).count(), 3);
  });

  /** Every method that takes options, by what it takes. @type {[name: string, use: Use, known: string][]} */
  const withOptions = [
    [
      'create',
      (_, value) => VectorStore.create(null, value),
      'distanceStrategy, normalizeL2, dim, relevanceScoreFn, onWarning, signal',
    ],
    [
      'fromTexts',
      (_, value) => VectorStore.fromTexts(['x'], null, embeddings, value),
      'ids, batchSize, onProgress, signal',
    ],
    [
      'fromDocuments',
      (_, value) => VectorStore.fromDocuments([], embeddings, value),
      'ids, batchSize, onProgress, signal',
    ],
    ['fromVectors', (_, value) => VectorStore.fromVectors([], [], null, value), 'ids, dim, signal'],
    [
      'deserialize',
      async (store, value) => VectorStore.deserialize(await store.serialize(), null, value),
      'distanceStrategy, ',
    ],
    ['list', (_, value) => VectorStore.list(value), 'directory'],
    ['remove', (_, value) => VectorStore.remove('no such store', value), 'directory'],
    ['save', (store, value) => store.save('never saved', value), 'directory'],
    ['addTexts', (store, value) => store.addTexts(['x'], null, value), 'ids, batchSize, onProgress, signal'],
    [
      'addDocuments',
      (store, value) => store.addDocuments([{ pageContent: 'x' }], value),
      'ids, batchSize, onProgress, signal',
    ],
    [
      'addVectors',
      (store, value) => store.addVectors([[1, 2, 3]], [{ pageContent: 'x' }], value),
      'ids, dim, signal',
    ],
    [
      'upsert',
      (store, value) => store.upsert([{ pageContent: 'x' }], value),
      'ids, batchSize, onProgress, signal',
    ],
    [
      'upsertVectors',
      (store, value) => store.upsertVectors([[1, 2, 3]], [{ pageContent: 'x' }], value),
      'ids, dim, signal',
    ],
    [
      'similaritySearch',
      (store, value) => store.similaritySearch('a', value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'similaritySearchWithScore',
      (store, value) => store.similaritySearchWithScore('a', value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'similaritySearchByVector',
      (store, value) => store.similaritySearchByVector([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'similaritySearchVectorWithScore',
      (store, value) => store.similaritySearchVectorWithScore([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'similaritySearchBatch',
      (store, value) => store.similaritySearchBatch(['a'], value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'similaritySearchWithRelevanceScores',
      (store, value) => store.similaritySearchWithRelevanceScores('a', value),
      'k, filter, fetchK, scoreThreshold, signal',
    ],
    [
      'maxMarginalRelevanceSearch',
      (store, value) => store.maxMarginalRelevanceSearch('a', value),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    [
      'maxMarginalRelevanceSearchByVector',
      (store, value) => store.maxMarginalRelevanceSearchByVector([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    [
      'maxMarginalRelevanceSearchWithScoreByVector',
      (store, value) => store.maxMarginalRelevanceSearchWithScoreByVector([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    [
      'search',
      (store, value) => store.search('a', 'mmr', value),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    ['asRetriever', (store, value) => store.asRetriever(value), 'searchType, searchKwargs'],
    [
      'asRetriever for its searches',
      (store, value) => store.asRetriever({ searchKwargs: value }),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    [
      'invoke',
      async (store, value) => (await store.asRetriever()).invoke('a', value),
      'k, filter, fetchK, scoreThreshold, lambda, signal',
    ],
    [
      'addDocuments of a retriever',
      async (store, value) => (await store.asRetriever()).addDocuments([], value),
      'ids, batchSize, onProgress, signal',
    ],
    ['delete', (store, value) => store.delete(value), 'ids, filter, ignoreUnknown'],
  ];
  for (const [name, use, known] of withOptions) {
    test(`of ${name} have known keys`, async () => {
      const store = await abc();
      const check = isError(
        'invalid_option',
        new RegExp(`^unknown option "colour": expected one of .*${known}`),
      );
      await refused(store, () => use(store, { colour: 1 }), check);
      await refused(store, () => use(store, { colour: null }), check);
    });

    test(`of ${name} are an object`, async () => {
      const store = await abc();
      const check = isError('invalid_argument', /^options: expected an object, got /);
      for (const value of [[], [1], () => 1, Symbol('o'), true])
        await refused(store, () => use(store, value), check);
      for (const value of [
        revoked({}),
        trapped({ x: 1 }, 'ownKeys'),
        trapped({ x: 1 }, 'get'),
        unreadable({}, 'signal'),
      ]) {
        await refused(
          store,
          () => use(store, value),
          isError('invalid_argument', /cannot be (?:read|looked at)/),
        );
      }
    });
  }
});

describe('embeddings', () => {
  const documents = [{ pageContent: 'x' }];
  /** @type {import('./store/twindex.mjs').Value[]} */
  const wrong = [
    ['an object without them', () => ({})],
    ['one method of the two', () => ({ embedDocuments() {} })],
    ['the other method', () => ({ embedQuery() {} })],
    ['no methods', () => ({ embedDocuments: 1, embedQuery: 2 })],
    ['a number', () => 5],
    ['a string', () => 'x'],
    ['a list', () => []],
    ['a function', () => () => []],
    ['a symbol', () => Symbol('e')],
    ['true', () => true],
    ['a revoked proxy', () => revoked({})],
    ['a proxy that gives nothing', () => trapped({}, 'get')],
  ];
  for (const [what, make] of wrong) {
    test(`are not ${what}`, async () => {
      const value = make();
      const check = isError(
        'invalid_argument',
        /^embeddings: expected an object with embedDocuments and embedQuery, got /,
      );
      const given = /** @type {any} */ (value);
      const bytes = await (await abc()).serialize();
      await assert.rejects(VectorStore.create(given), check);
      await assert.rejects(VectorStore.fromTexts(['x'], null, given), check);
      await assert.rejects(VectorStore.fromDocuments(documents, given), check);
      await assert.rejects(VectorStore.fromVectors([[1]], documents, given), check);
      await assert.rejects(VectorStore.deserialize(bytes, given), check);
    });
  }
});

describe('delete', () => {
  test('takes ids or a filter, and one of them', async () => {
    const store = await abc();
    for (const options of [
      undefined,
      null,
      {},
      { ids: null },
      { filter: undefined },
      { ignoreUnknown: true },
    ]) {
      await refused(store, () => store.delete(options), isError('no_ids', /give ids or a filter$/));
    }
    await refused(
      store,
      () => store.delete({ ids: ['a'], filter: {} }),
      isError('invalid_option', /ids or a filter, got both$/),
    );
    await refused(
      store,
      () => store.delete(['a']),
      isError('invalid_argument', /^options: expected an object, got a list of 1$/),
    );
    await refused(
      store,
      () => store.delete('a'),
      isError('invalid_argument', /^options: expected an object, got the string "a"$/),
    );
    const check = isError(
      'invalid_option',
      /^option ignoreUnknown: expected true or false, got the number 1$/,
    );
    await refused(store, () => store.delete({ ids: ['z'], ignoreUnknown: 1 }), check);
  });

  test('says how many there were', async () => {
    const store = await abc();
    assert.equal(await store.delete({ ids: [] }), 0);
    assert.equal(await store.delete({ ids: ['z', 'z'], ignoreUnknown: true }), 0);
    assert.equal(await store.delete({ ids: ['c', 'z'], ignoreUnknown: true }), 1);
    assert.equal(await store.delete({ filter: { id: 'b' } }), 1);
    assert.equal(await store.delete({ filter: {} }), 1);
    assert.equal(await store.count(), 0);
  });
});

describe('mergeFrom', () => {
  test('takes a store, and another one', async () => {
    const store = await abc();
    await refused(
      store,
      () => store.mergeFrom(store),
      isError('merge_incompatible', /one and the same store$/),
    );
    for (const other of [
      undefined,
      null,
      {},
      5,
      VectorStore,
      Object.create(VectorStore.prototype),
      revoked({}),
    ]) {
      await refused(
        store,
        () => store.mergeFrom(other),
        isError('invalid_argument', /^other: expected a VectorStore, got /),
      );
    }
    const proxied = isError(
      'invalid_argument',
      /^other: expected a VectorStore, got an instance of VectorStore$/,
    );
    await refused(store, () => store.mergeFrom(new Proxy(store, {})), proxied);
  });

  test('takes a store that is like it', async () => {
    const store = await abc();
    const documents = [{ pageContent: 'x' }];
    /** @type {[Promise<any>, string, RegExp][]} */
    const others = [
      [VectorStore.fromVectors([[1]], documents), 'merge_incompatible', /dimension is 3 here and 1 there$/],
      [
        VectorStore.create(null, { distanceStrategy: 'cosine' }),
        'merge_incompatible',
        /EUCLIDEAN_DISTANCE here and COSINE there$/,
      ],
      [VectorStore.create(null, { normalizeL2: true }), 'merge_incompatible', /here and .* there$/],
      [abc(), 'id_already_exists', /: "a", "b", "c"$/],
    ];
    for (const [making, code, message] of others) {
      const other = await making;
      const before = await other.serialize();
      await refused(store, () => store.mergeFrom(other), isError(code, message));
      assert.deepEqual(await other.serialize(), before);
    }
  });

  test('refuses a store that was freed', async () => {
    const [store, other] = [await abc(), await abc()];
    other.free();
    await refused(store, () => store.mergeFrom(other), isError('store_freed'));
  });
});

describe('searches', () => {
  test('have a type that is known', async () => {
    const store = await abc();
    const check = isError(
      'invalid_search_type',
      /"nearest": expected "similarity", "similarity_score_threshold" or "mmr"$/,
    );
    await refused(store, () => store.search('a', 'nearest'), check);
    await refused(store, () => store.asRetriever({ searchType: 'nearest' }), check);
    for (const type of [5, true, {}, ['mmr'], Symbol('mmr')]) {
      const noString = isError('invalid_argument', /^searchType: expected a string, got /);
      await refused(store, () => store.search('a', type), noString);
      await refused(store, () => store.asRetriever({ searchType: type }), noString);
    }
    await refused(store, () => store.search('a'), isError('invalid_argument', /got undefined$/));
  });

  test('by a threshold of relevance need one', async () => {
    const store = await abc();
    const searchType = 'similarity_score_threshold';
    const check = isError('score_threshold_required', /scoreThreshold/);
    await refused(store, () => store.asRetriever({ searchType }), check);
    await refused(
      store,
      () => store.asRetriever({ searchType, searchKwargs: { scoreThreshold: null } }),
      check,
    );
  });

  test('are for a string', async () => {
    const store = await abc();
    const retriever = await store.asRetriever();
    for (const query of [undefined, null, 5, 5n, ['a'], {}, Symbol('a'), new String('a')]) {
      const check = isError('invalid_argument', /^query: expected a string, got /);
      await refused(store, () => store.similaritySearch(query), check);
      await refused(store, () => store.similaritySearchWithScore(query), check);
      await refused(store, () => store.similaritySearchWithRelevanceScores(query), check);
      await refused(store, () => store.maxMarginalRelevanceSearch(query), check);
      await refused(store, () => store.search(query, 'mmr'), check);
      await refused(store, () => retriever.invoke(query), check);
    }
  });
});

test('getVector takes an id that is there', async () => {
  const store = await abc();
  await refused(store, () => store.getVector('z'), isError('unknown_id', /: "z"$/));
  for (const id of [undefined, null, 5, ['a']]) {
    await refused(
      store,
      () => store.getVector(id),
      isError('invalid_argument', /^id: expected a string, got /),
    );
  }
});

test('`new` makes no store', () => {
  const Class = /** @type {any} */ (VectorStore);
  const check = isError(
    'invalid_argument',
    /^expected await VectorStore\.create\(\) or another method that makes one, got new$/,
  );
  assert.throws(() => new Class(), check);
  assert.throws(() => new Class(Symbol('made by a method of VectorStore'), {}), check);
  assert.throws(() => new (class extends Class {})(), check);
});

test('what a caller`s getter throws is the cause', async () => {
  const store = await abc();
  const thrown = new Thrown('private');
  const check = isError('invalid_argument', /private/, { cause: thrown });
  await refused(store, () => store.similaritySearch('a', unreadable({}, 'k', thrown)), check);
  await refused(store, () => store.similaritySearchByVector(trapped([1, 2, 3], 'get', thrown)), check);
  const range = new RangeError('mine');
  const own = isError('invalid_argument', /mine/, { cause: range });
  await refused(store, () => store.similaritySearchByVector(trapped([1, 2, 3], 'get', range)), own);
});
