// @ts-check
/** What else calls are given: embeddings, what to delete, other stores, queries and types of searches. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  Thrown,
  VectorStore,
  abc,
  isError,
  refused,
  revoked,
  trapped,
  unreadable,
} from './store/twindex.mjs';

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
