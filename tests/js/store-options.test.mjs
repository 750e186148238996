// @ts-check
/**
 * Options of calls: known keys, right types and values; nothing is coerced, and the store stays as it was.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  VectorStore,
  abc,
  embeddings,
  isError,
  refused,
  revoked,
  trapped,
  unreadable,
} from './store/twindex.mjs';

/** @typedef {(store: any, value: any) => Promise<unknown>} Use */

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

  test('recall needs a binary that can, and there it is said which', async () => {
    const store = await abc();
    for (const recall of [0.9, 1, '1']) {
      const check = isError('invalid_option', /^option recall: expected init\(source\) with the source of twindex\/approximate first, got /);
      await refused(store, () => store.similaritySearch('a', /** @type {any} */ ({ recall })), check);
    }
    for (const recall of [null, undefined]) {
      assert.equal((await store.similaritySearch('a', /** @type {any} */ ({ recall }))).length, 3);
    }
    await refused(store, () => store.maxMarginalRelevanceSearch('a', /** @type {any} */ ({ recall: 0.9 })), isError('invalid_option', /^unknown option "recall"/));
  });

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
      'k, filter, fetchK, scoreThreshold, recall, signal',
    ],
    [
      'similaritySearchWithScore',
      (store, value) => store.similaritySearchWithScore('a', value),
      'k, filter, fetchK, scoreThreshold, recall, signal',
    ],
    [
      'similaritySearchByVector',
      (store, value) => store.similaritySearchByVector([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, recall, signal',
    ],
    [
      'similaritySearchVectorWithScore',
      (store, value) => store.similaritySearchVectorWithScore([1, 0, 0], value),
      'k, filter, fetchK, scoreThreshold, recall, signal',
    ],
    [
      'similaritySearchBatch',
      (store, value) => store.similaritySearchBatch(['a'], value),
      'k, filter, fetchK, scoreThreshold, recall, signal',
    ],
    [
      'similaritySearchWithRelevanceScores',
      (store, value) => store.similaritySearchWithRelevanceScores('a', value),
      'k, filter, fetchK, scoreThreshold, recall, signal',
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
