// @ts-check
/** Stores in several workers, in Node: they answer as one in one worker does, which the other tests are of. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { embeddings, errorOf, idsOf, isError, numbered, project, storeOf, worker } from './worker/twindex.mjs';

/** @typedef {import('../../wasm/js/worker.js').VectorStore} Store */

const { VectorStore } = worker;

const IVF = new URL('../data/fixtures/langchain/custom_ivf/', import.meta.url);

const DIM = 48;
const COUNT = 3_000;

/** Whole numbers, of which many rows are equal, so that equal scores lie in every slice. */
function rows() {
  let state = 11;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24;
  const few = Array.from({ length: 40 }, () => Array.from({ length: DIM }, () => (next() % 9) - 4));
  const vectors = new Float32Array(COUNT * DIM);
  for (let row = 0; row < COUNT; row++) {
    vectors.set(row % 3 === 0 ? few[row % few.length] : few[0].map(() => next() - 128), row * DIM);
  }
  const documents = Array.from({ length: COUNT }, (_, i) => ({
    pageContent: `text ${i}`,
    id: `d${i}`,
    metadata: { i, part: i % 7 },
  }));
  return { vectors, documents, queries: few.slice(0, 5) };
}

/** Calls whose answers are to be equal to the last bit. @type {Record<string, (store: Store, queries: number[][]) => Promise<unknown>>} */
const CALLS = {
  'the best few': (store, [query]) => store.similaritySearchVectorWithScore(query),
  'many, with equal scores': (store, [query]) => store.similaritySearchVectorWithScore(query, 500),
  'more than there are': (store, [, query]) => store.similaritySearchVectorWithScore(query, COUNT + 1),
  'documents alone': (store, [, query]) => store.similaritySearchByVector(query, { k: 90 }),
  'a filter object': (store, [query]) =>
    store.similaritySearchVectorWithScore(query, { k: 50, filter: { part: 3, i: { $lt: 2_000 } } }),
  'a filter function': (store, [query]) =>
    store.similaritySearchVectorWithScore(query, 50, ({ metadata }) => Number(metadata.i) > 2_500),
  'a threshold': (store, [query]) =>
    store.similaritySearchVectorWithScore(query, { k: 70, scoreThreshold: 0.5 }),
  'many queries': (store, queries) => store.similaritySearchBatch(queries, 60),
  'no queries': (store) => store.similaritySearchBatch([]),
  'a text': (store) => store.similaritySearchWithScore('soup', 30),
  'texts': (store) => store.similaritySearchBatch(['soup', 'fork', 'soup'], 30),
  'the best for MMR': (store, [, , query]) => store.maxMarginalRelevanceSearchWithScoreByVector(query, { k: 9, fetchK: 100 }),
  'MMR unless told': (store, [query]) => store.maxMarginalRelevanceSearchByVector(query),
  'MMR of k alone': (store, [query]) => store.maxMarginalRelevanceSearchWithScoreByVector(query, 30),
  'MMR among equals': (store, [query]) =>
    store.maxMarginalRelevanceSearchWithScoreByVector(new Float64Array(query), { k: 40, fetchK: 400, lambda: 0.1 }),
  'MMR with a filter': (store, [query]) =>
    store.maxMarginalRelevanceSearchByVector(query, { lambda: 1, filter: { part: { $in: [2, 5] } } }),
  'MMR with a filter function and a threshold': (store, [query]) =>
    store.maxMarginalRelevanceSearchWithScoreByVector(query, {
      k: 50,
      fetchK: 60,
      scoreThreshold: 0.5,
      filter: ({ metadata }) => Number(metadata.i) % 2 === 1,
    }),
  'MMR of a text': (store) => store.maxMarginalRelevanceSearch('spoon', { k: 7, fetchK: 70, lambda: 0 }),
  'relevances': (store) => store.similaritySearchWithRelevanceScores('soup', 30),
  'relevances with a filter': (store) => store.similaritySearchWithRelevanceScores('fork', 20, { part: 1 }),
  'relevances with a filter function and a threshold': (store) =>
    store.similaritySearchWithRelevanceScores('fork', { k: 500, scoreThreshold: 0.5, filter: ({ metadata }) => metadata.part !== 0 }),
  'a search by its type': (store) => store.search('soup', 'similarity', { k: 12, fetchK: 1, filter: { part: 4 } }),
  'a search by relevance': (store) => store.search('soup', 'similarity_score_threshold', { scoreThreshold: -1e9, k: 12 }),
  'a search by MMR': (store) => store.search('fork', 'mmr', { k: 12, fetchK: 200 }),
  'a retriever': async (store) => (await store.asRetriever()).invoke('fork'),
  'a retriever by MMR, and what its calls say instead': async (store) => {
    const searchKwargs = { k: 12, fetchK: 100, lambda: 0.2, filter: { part: { $ne: 3 } } };
    const retriever = await store.asRetriever({ searchType: 'mmr', searchKwargs });
    searchKwargs.filter.part.$ne = 4;
    return [
      await retriever.invoke('fork'),
      await retriever.invoke('soup', { k: 3, fetchK: undefined, filter: ({ metadata }) => metadata.part === 3 }),
      await retriever.invoke('soup', { fetchK: null, filter: null, lambda: null }),
    ];
  },
  'documents of ids': (store) => store.getByIds(['d2999', 'd0', 'nowhere', 'd1500', 'd0']),
  'a vector': (store) => store.getVector('d1700'),
  'all vectors': (store) => store.getVectors(),
  'ids': (store) => store.ids(),
  'the count': (store) => store.count(),
  'what it is': async (store) => ({ ...(await store.info()), vectorBytes: 0, documentBytes: 0 }),
  'bytes': (store) => store.serialize(),
  'smaller bytes': (store) => store.serialize({ vectors: 'i8' }),
  'the loss of smaller bytes': (store) => store.vectorLoss('f16'),
  'an iteration': async (store) => {
    const documents = [];
    for await (const document of store) documents.push(document);
    return documents;
  },
  'LangChain’s files': (store) => store.toLangChain(),
  'an import report': (store) => store.importReport(),
};

/** Calls that are refused as a store in one worker refuses them. @type {Record<string, (store: Store) => Promise<unknown>>} */
const WRONG = {
  'no document asked for': (store) => store.similaritySearchByVector(new Float32Array(DIM), 0),
  'a short vector': (store) => store.similaritySearchByVector([1, 2]),
  'a filter that is none': (store) =>
    store.similaritySearchByVector(new Float32Array(DIM), 3, /** @type {any} */ ({ i: { $near: 1 } })),
  'an unknown option': (store) =>
    store.similaritySearchByVector(new Float32Array(DIM), /** @type {any} */ ({ many: 3 })),
  'an unknown option of MMR': (store) =>
    store.maxMarginalRelevanceSearchByVector(new Float32Array(DIM), /** @type {any} */ ({ many: 3 })),
  'no candidates asked for': (store) => store.maxMarginalRelevanceSearchByVector(new Float32Array(DIM), { fetchK: 0 }),
  'no candidates but a number': (store) =>
    store.maxMarginalRelevanceSearchByVector(new Float32Array(DIM), { fetchK: 0.5, lambda: 2 }),
  'a balance that is none': (store) => store.maxMarginalRelevanceSearch('x', { lambda: NaN }),
  'a short vector for MMR': (store) => store.maxMarginalRelevanceSearchByVector([1, 2]),
  'MMR of no text': (store) => store.maxMarginalRelevanceSearch(/** @type {any} */ (7)),
  'MMR with a recall': (store) => store.maxMarginalRelevanceSearch('x', /** @type {any} */ ({ recall: 0.9 })),
  'two filters': (store) =>
    store.similaritySearchWithRelevanceScores('x', { filter: { part: 1 } }, { part: 2 }),
  'an unknown type of search': (store) => store.search('x', /** @type {any} */ ('best')),
  'options that cannot be read': (store) =>
    store.search('x', 'mmr', {
      get k() {
        return assert.fail('not for you');
      },
    }),
  'a retriever without its threshold': (store) => store.asRetriever({ searchType: 'similarity_score_threshold' }),
  'a retriever of something': (store) => store.asRetriever(/** @type {any} */ (0)),
  'a retriever asked with an unknown option': async (store) =>
    (await store.asRetriever()).invoke('x', /** @type {any} */ ({ recalled: 1 })),
  'an unknown id': (store) => store.getVector('nowhere'),
  'ids that are none': (store) => store.getByIds(/** @type {any} */ (7)),
  'a loss in no encoding': (store) => store.vectorLoss(/** @type {any} */ ('f8')),
};

for (const options of /** @type {const} */ ([
  { distanceStrategy: 'EUCLIDEAN_DISTANCE' },
  { distanceStrategy: 'MAX_INNER_PRODUCT' },
  { distanceStrategy: 'COSINE' },
  { distanceStrategy: 'MAX_INNER_PRODUCT', normalizeL2: true },
])) {
  describe(`${JSON.stringify(options)}: three workers answer as one`, () => {
    const { vectors, documents, queries } = rows();
    /** @type {Store} */
    let one;
    /** @type {Store} */
    let three;
    before(async () => {
      const byLetters = {
        embedDocuments: () => [],
        embedQuery: (/** @type {string} */ text) => queries[text.length % queries.length],
      };
      [one, three] = await Promise.all(
        [1, 3].map((workers) =>
          VectorStore.fromVectors(vectors, documents, byLetters, { dim: DIM, workers, ...options }),
        ),
      );
    });
    after(() => [one, three].forEach((store) => store.free()));

    for (const [what, call] of Object.entries(CALLS)) {
      test(what, async () => assert.deepEqual(await call(three, queries), await call(one, queries)));
    }
    for (const [what, call] of Object.entries(WRONG)) {
      test(what, async () => {
        const { code, message } = await errorOf(call(one));
        assert.deepEqual(await errorOf(call(three)).then((error) => [error.code, error.message]), [code, message]);
      });
    }
  });
}

/** Changes, one after another; each answers, or is refused. @type {[string, (store: Store, others: Store[]) => Promise<unknown>][]} */
const CHANGES = [
  ['vectors', (store) => store.addVectors(few(5), documentsOf('v', 5))],
  ['flat vectors, taken', (store) => store.addVectors(Float32Array.from(few(4).flat()), documentsOf('w', 4), { dim: DIM, transfer: true })],
  ['texts', (store) => store.addTexts(['soup', 'fork'], { part: 1 }, { ids: ['t1', 't2'], batchSize: 1 })],
  ['documents', (store) => store.addDocuments(documentsOf('x', 30))],
  ['nothing', (store) => store.addDocuments([])],
  ['an id that is there, in the first slice', (store) => store.addDocuments([...documentsOf('y', 2), ...documentsOf('d', 1)])],
  ['ids that are there, here and there', (store) => store.addVectors(few(4), documentsOf('q', 4), { ids: ['n', 'd2999', 't1', 'd7'] })],
  ['an id twice', (store) => store.addDocuments([...documentsOf('y', 2), ...documentsOf('y', 1)])],
  ['a short vector', (store) => store.addVectors([[1, 2]], documentsOf('y', 1))],
  ['no number', (store) => store.addVectors([few(1)[0], few(1)[0].map(() => NaN)], documentsOf('y', 2))],
  ['too few vectors', (store) => store.addVectors(few(1), documentsOf('y', 2))],
  ['metadata that is none', (store) => store.addDocuments([{ pageContent: 'y', metadata: { when: new Date() } }])],
  ['an unknown option', (store) => store.addVectors(few(1), documentsOf('y', 1), /** @type {any} */ ({ many: 1 }))],
  ['some that are there and some that are not', (store) =>
    store.upsert([...documentsOf('d', 3), ...documentsOf('z', 2), { pageContent: 'new', id: 'd2999' }, { pageContent: 'newer', id: 'x29' }])],
  ['vectors in their place', (store) => store.upsertVectors(few(3), documentsOf('d', 3))],
  ['vectors that are too short in their place', (store) => store.upsertVectors([[1]], documentsOf('d', 1))],
  ['ids', (store) => store.delete({ ids: ['d10', 'd1500', 'x3', 'd10', 'd2000'] })],
  ['an unknown id', (store) => store.delete({ ids: ['d11', 'nowhere', 'd2001', 'never', 'nowhere'] })],
  ['an unknown id, passed over', (store) => store.delete({ ids: ['d11', 'nowhere'], ignoreUnknown: true })],
  ['no ids', (store) => store.delete({ ids: [] })],
  ['ids that are none', (store) => store.delete(/** @type {any} */ ({ ids: 7 }))],
  ['neither ids nor a filter', (store) => store.delete(/** @type {any} */ ({}))],
  ['ids that cannot be read', (store) =>
    store.delete({
      get ids() {
        return assert.fail('not for you');
      },
    })],
  ['ids and a filter', (store) => store.delete(/** @type {any} */ ({ ids: ['d12'], filter: { part: 1 } }))],
  ['a filter', (store) => store.delete({ filter: { part: 2, i: { $lt: 2_500 } } })],
  ['a filter that is none', (store) => store.delete({ filter: /** @type {any} */ ({ part: { $near: 1 } }) })],
  ['a predicate', (store) => store.delete({ filter: ({ metadata }) => Number(metadata.i) % 5 === 1 })],
  ['a predicate that throws at the last', (store) =>
    store.delete({
      filter: ({ id }) => {
        if (id === 'x29') throw new Error('not this one');
        return true;
      },
    })],
  ['a retriever', async (store) => (await store.asRetriever()).addDocuments(documentsOf('r', 2))],
  ['another store', async (store, [one]) => store.mergeFrom(one)],
  ['another store, again', async (store, [one]) => store.mergeFrom(one)],
  ['a store in several workers', async (store, [, sliced]) => store.mergeFrom(sliced)],
  ['an empty store', async (store) => store.mergeFrom(await VectorStore.create(null, await settingsOf(store)))],
  ['a store of another kind', async (store) => {
    const { distanceStrategy, normalizeL2 } = await settingsOf(store);
    return store.mergeFrom(await VectorStore.create(null, { distanceStrategy, normalizeL2: !normalizeL2 }));
  }],
  ['itself', (store) => store.mergeFrom(store)],
  ['a search parameter', (store) => store.setSearchParameter('nprobe', 3)],
  ['everything', (store) => store.delete({ filter: {} })],
  ['a vector of another length, to none', (store) => store.addVectors([[1, 2]], documentsOf('y', 1))],
  ['documents, to none', (store) => store.addDocuments(documentsOf('y', 3))],
];

/** @param {number} count */
const few = (count) => Array.from({ length: count }, (_, row) => Array.from({ length: DIM }, (_, i) => ((row * 7 + i) % 11) - 4));

/** @param {string} letter @param {number} count */
const documentsOf = (letter, count) =>
  Array.from({ length: count }, (_, i) => ({ pageContent: `${letter} ${i}`, id: `${letter}${i}`, metadata: { part: i % 7, [letter]: i } }));

/** @param {Store} store */
async function settingsOf(store) {
  const { distanceStrategy, normalizeL2 } = await store.info();
  return { distanceStrategy, normalizeL2 };
}

/** @param {Promise<unknown>} call */
const outcomeOf = (call) =>
  call.then(
    (value) => ({ value }),
    ({ code, message }) => ({ code, message }),
  );

for (const options of /** @type {const} */ ([
  { distanceStrategy: 'COSINE' },
  { distanceStrategy: 'EUCLIDEAN_DISTANCE', normalizeL2: true },
])) {
  describe(`${JSON.stringify(options)}: three workers change as one`, () => {
    const { vectors, documents, queries } = rows();
    const byLetters = {
      embedDocuments: (/** @type {string[]} */ texts) => texts.map((text) => queries[text.length % queries.length]),
      embedQuery: (/** @type {string} */ text) => queries[text.length % queries.length],
    };
    /** @type {Store[]} */
    let stores;
    /** @type {Store[]} */
    let others;
    before(async () => {
      stores = await Promise.all(
        [1, 3].map((workers) => VectorStore.fromVectors(vectors, documents, byLetters, { dim: DIM, workers, ...options })),
      );
      others = await Promise.all(
        [1, 2].map((workers) => VectorStore.fromVectors(few(9), documentsOf(`m${workers}`, 9), null, { workers, ...options })),
      );
    });
    for (const [what, change] of CHANGES) {
      test(what, async () => {
        const [one, three] = await Promise.all(stores.map((store) => outcomeOf(change(store, others))));
        assert.deepEqual(three, one);
        const [bytes, same] = await Promise.all(stores.map((store) => store.serialize()));
        assert.deepEqual(same, bytes);
        const [hits, found] = await Promise.all(stores.map((store) => store.similaritySearchWithScore('soup', 40)));
        assert.deepEqual(found, hits);
      });
    }
  });
}

test('calls at random, eight at once, answer as in one worker', async (t) => {
  const seed = Date.now() % 2 ** 32;
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const next = (/** @type {number} */ n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const some = (/** @type {number} */ most, /** @type {() => any} */ make) => Array.from({ length: next(most) }, make);
  const idOf = () => `i${next(60)}`;
  const vectorOf = () => [next(7) - 3, next(7) - 3, next(3)];
  /** @returns {(store: Store) => Promise<unknown>} */
  function call() {
    const documents = some(6, () => ({ pageContent: '', id: idOf(), metadata: { n: next(5) } }));
    const vectors = documents.map(vectorOf);
    const [ids, query, n] = [some(4, idOf), vectorOf(), next(5)];
    const options = { k: 1 + next(30), fetchK: 1 + next(30), filter: { n: { $ne: n } } };
    /** @type {((store: Store) => Promise<unknown>)[]} */
    const calls = [
      (store) => store.addVectors(vectors, documents),
      (store) => store.upsertVectors(vectors, documents),
      (store) => store.delete({ ids }),
      (store) => store.delete({ ids, ignoreUnknown: true }),
      (store) => store.delete({ filter: ({ metadata }) => metadata.n === n }),
      (store) => store.similaritySearchVectorWithScore(query, options),
      (store) => store.maxMarginalRelevanceSearchByVector(query, options),
      (store) => store.similaritySearchBatch(vectors, 5),
      (store) => store.getByIds(ids),
      (store) => store.count(),
      (store) => store.serialize(),
    ];
    return calls[next(calls.length)];
  }
  for (let round = 0; round < 20; round++) {
    const distanceStrategy = /** @type {const} */ (['l2', 'ip', 'cosine'])[next(3)];
    const options = { distanceStrategy, normalizeL2: next(2) === 1 };
    const stores = await Promise.all([1, 3].map((workers) => VectorStore.create(null, { ...options, workers })));
    for (let step = 0; step < 8; step++) {
      const calls = Array.from({ length: 8 }, call);
      const [one, three] = await Promise.all(
        stores.map((store) => Promise.all(calls.map((call) => outcomeOf(call(store))))),
      );
      assert.deepEqual(three, one, `seed ${seed}, round ${round}, step ${step}`);
    }
    for (const store of stores) store.free();
  }
});

test('a store in one worker takes in one in several', async () => {
  const [store, sliced] = [await VectorStore.create(), await storeOf(worker, 10, { workers: 3 })];
  await store.mergeFrom(sliced);
  assert.deepEqual(await store.serialize(), await sliced.serialize());
  await assert.rejects(store.mergeFrom(sliced), isError('id_already_exists'));
  sliced.free();
  await assert.rejects(store.mergeFrom(sliced), isError('store_freed'));
  await assert.rejects(sliced.mergeFrom(store), isError('store_freed'));
});

test('a store of smaller vectors takes new ones as they are, and is written as it was', async () => {
  const bytes = await (await storeOf(worker, 9)).serialize({ vectors: 'i8' });
  const [one, many] = await Promise.all([1, 3].map((workers) => VectorStore.deserialize(bytes, null, { workers })));
  for (const store of [one, many]) await store.addVectors([[Math.PI, Math.E]], [{ pageContent: 'x', id: 'x' }]);
  for (const options of [undefined, {}, { vectors: undefined }, /** @type {const} */ ({ vectors: 'f32' })]) {
    assert.deepEqual(await many.serialize(options), await one.serialize(options));
  }
  assert.deepEqual(await many.getVectors(), await one.getVectors());
  await assert.rejects(many.serialize(/** @type {any} */ ([1])), isError('invalid_argument'));
});

test('answers are of the store as the calls before have left it', async () => {
  const store = await VectorStore.create(null, { workers: 2 });
  const flat = new Float32Array([1, 2, 3, 4]);
  const calls = [
    store.count(),
    store.addVectors([[0, 1]], [{ pageContent: '', id: 'a' }]),
    store.addVectors(flat, [{ pageContent: '', id: 'b' }, { pageContent: '', id: 'c' }]),
    store.count(),
    store.delete({ ids: ['a'] }),
    store.delete({ filter: ({ id }) => id === 'b' }),
    store.ids(),
    store.upsertVectors([[7, 7]], [{ pageContent: '', id: 'c' }]),
    store.getVectors(),
    store.delete({ ids: ['c'] }),
    store.count(),
  ];
  flat.fill(9);
  assert.deepEqual(await Promise.all(calls), [
    0, ['a'], ['b', 'c'], 3, 1, 1, ['c'], ['c'], new Float32Array([7, 7]), 1, 0,
  ]);
});

test('a model may ask and change the store that it embeds for; the search is of one state of it', async () => {
  const store = await VectorStore.fromVectors([[0, 1], [0, 2], [0, 3]], documentsOf('d', 3), {
    embedDocuments: async (texts) => {
      assert.equal(await store.count(), 4);
      return texts.map(() => [0, 5]);
    },
    embedQuery: async () => {
      await store.upsertVectors([[0, 9]], documentsOf('d', 1));
      await store.addVectors([[0, 4]], documentsOf('e', 1));
      return [0, 0];
    },
  }, { workers: 3 });
  let asked = 0;
  const found = await store.similaritySearch('x', 9, () => ++asked > 0);
  assert.deepEqual([idsOf(found), asked], [['d1', 'd2', 'e0', 'd0'], 4]);
  assert.equal((await store.addTexts(['y'])).length, 1);
});

test('two that come first at once, with vectors of two lengths: one is refused', async () => {
  const embedded = { ...embeddings, embedDocuments: async (/** @type {string[]} */ texts) => texts.map((text) => [...text].map(Number)) };
  const store = await VectorStore.create(embedded, { workers: 2 });
  const [first, second] = [store.addTexts(['12']), store.addTexts(['123'])];
  await first;
  await assert.rejects(second, isError('dimension_mismatch', { message: /vector 0 has 3 numbers/ }));
  assert.equal(await store.count(), 1);
});

test('a signal ends an embedding, and nothing is added', async () => {
  const controller = new AbortController();
  const embedDocuments = () => (controller.abort('enough'), new Promise(() => {}));
  const store = await VectorStore.create({ ...embeddings, embedDocuments }, { workers: 2 });
  assert.equal(await errorOf(store.addTexts(['a'], null, { signal: controller.signal })), 'enough');
  assert.equal(await store.count(), 0);
});

test('what is added goes to all workers, in slices that are few, and what is forgotten is given back', () => {
  const program = `
    import { Worker } from 'node:worker_threads';
    import { VectorStore } from 'twindex/worker';
    const made = new Map();
    const held = new Set();
    let gone = 0;
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (message, transfer) {
      if (message.method === 'filled') made.set(this, (made.get(this) ?? 0) + 1);
      if (message.type === 'release') gone++;
      return postMessage.call(this, message, transfer);
    };
    let store = await VectorStore.create(null, { workers: 3 });
    for (let i = 0; i < 60; i++) await store.addVectors(new Float32Array(100).fill(i), Array.from({ length: 50 }, () => ({ pageContent: '' })), { dim: 2 });
    const counts = [...made.values()].sort();
    console.log(counts.length, counts[0] >= 15, await store.count());
    const numbers = await store.getVectors();
    console.log(numbers.every((number, i) => i === 0 || numbers[i - 1] <= number), 60 - gone <= 20);
    const vectors = Array.from({ length: 30 }, (_, i) => [i, i]);
    const documents = vectors.map((_, i) => ({ pageContent: '', id: \`u\${i}\` }));
    await store.delete({ filter: {} });
    for (let i = 0; i < 40; i++) await store.upsertVectors(vectors, documents);
    const slices = 101 - gone;
    console.log(slices <= 3, await store.count());
    store = undefined;
    const before = gone;
    while (gone < before + slices) {
      gc();
      await new Promise((resolve) => setTimeout(resolve));
    }
    console.log('given back');`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    cwd: project,
    encoding: 'utf8',
  });
  assert.deepEqual({ status, stderr, lines: stdout.trim().split('\n') }, {
    status: 0,
    stderr: '',
    lines: ['3 true 3000', 'true true', 'true 30', 'given back'],
  });
});

test('every way to a store takes workers', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'twindex-slices-'));
  t.after(() => rm(directory, { recursive: true }));
  const texts = ['a spoon for soup', 'a fork', 'soup of the day', 'forks and spoons', 'of'];
  const documents = texts.map((pageContent, i) => ({ pageContent, id: `${i}`, metadata: {} }));
  const whole = await VectorStore.fromDocuments(documents, embeddings);
  const bytes = await whole.serialize();
  const expected = await whole.similaritySearchWithScore('soup', 3);
  const ids = idsOf(documents);
  const workers = 2;
  const made = {
    fromTexts: await VectorStore.fromTexts(texts, {}, embeddings, { ids, workers }),
    fromDocuments: await VectorStore.fromDocuments(documents, embeddings, { workers }),
    deserialize: await VectorStore.deserialize(bytes, embeddings, { workers }),
  };
  await made.deserialize.save('cutlery', { directory });
  const load = await VectorStore.load('cutlery', embeddings, { directory, workers });
  for (const [way, store] of Object.entries({ ...made, load })) {
    assert.deepEqual(await store.similaritySearchWithScore('soup', 3), expected, way);
    assert.deepEqual(await store.serialize(), bytes, way);
  }
});

test('a store with fewer documents than workers, or none, answers too', async () => {
  for (const count of [0, 1, 2]) {
    const [one, many] = await Promise.all([1, 5].map((workers) => storeOf(worker, count, { workers })));
    assert.deepEqual(
      await many.similaritySearchVectorWithScore([0, 1], 4),
      await one.similaritySearchVectorWithScore([0, 1], 4),
    );
    assert.deepEqual(await many.serialize(), await one.serialize());
  }
});

test('scores that are infinite or no numbers come in the order that one worker gives them', async () => {
  const huge = 3e38;
  const numbers = [[huge, -huge], [1, 1], [-huge, -huge], [huge, huge], [0, -0], [-huge, huge], [huge, -huge], [1, 1]];
  const documents = numbers.map((_, i) => ({ pageContent: '', id: `${i}` }));
  for (const distanceStrategy of /** @type {const} */ (['EUCLIDEAN_DISTANCE', 'MAX_INNER_PRODUCT'])) {
    const [one, many] = await Promise.all(
      [1, 4].map((workers) => VectorStore.fromVectors(numbers, documents, null, { distanceStrategy, workers })),
    );
    for (const query of [[huge, huge], [1, -1], [0, 0]]) {
      assert.deepEqual(
        await many.similaritySearchVectorWithScore(query, 8),
        await one.similaritySearchVectorWithScore(query, 8),
        distanceStrategy,
      );
    }
  }
});

test('a query is embedded once for all workers, and its error is the very one', async () => {
  /** @type {string[]} */
  const asked = [];
  const reason = new Error('no model');
  const counting = {
    ...embeddings,
    embedQuery: async (/** @type {string} */ text) => {
      asked.push(text);
      if (text === 'bad') throw reason;
      return [1, 1, 1];
    },
  };
  const store = await VectorStore.fromTexts(['a', 'b', 'c', 'd'], {}, counting, { workers: 3 });
  await store.similaritySearch('soup', 2);
  await store.maxMarginalRelevanceSearch('soup');
  await assert.rejects(store.similaritySearch('bad', 2), isError('embeddings_custom', { cause: reason }));
  await assert.rejects(store.search('bad', 'mmr'), isError('embeddings_custom', { cause: reason }));
  assert.deepEqual(asked, ['soup', 'soup', 'bad', 'bad']);
});

test('a filter function sees every document once, and its error is the very one', async () => {
  const store = await storeOf(worker, 100, { workers: 3 });
  /** @type {string[]} */
  const seen = [];
  const all = idsOf(numbered(100).documents).toSorted();
  await store.similaritySearchByVector([0, 1], 3, ({ id }) => seen.push(id) > 0);
  assert.deepEqual(seen.splice(0).toSorted(), all);
  await store.maxMarginalRelevanceSearchByVector([0, 1], { filter: ({ id }) => seen.push(id) > 0 });
  assert.deepEqual(seen.toSorted(), all);
  const reason = new Error('no opinion');
  const filter = () => {
    throw reason;
  };
  const retriever = await store.asRetriever({ searchKwargs: { filter } });
  for (const search of [
    () => store.similaritySearchByVector([0, 1], 3, filter),
    () => store.maxMarginalRelevanceSearchByVector([0, 1], { filter }),
    () => retriever.invoke('x'),
  ]) {
    await assert.rejects(search(), isError('callable_filter_raised', { cause: reason }));
  }
});

test('a relevance function and warnings are those of one worker', async () => {
  /** @type {unknown[]} */
  const warnings = [];
  const reason = new Error('no opinion');
  const answers = [];
  for (const workers of [1, 3]) {
    const seen = /** @type {unknown[]} */ ([]);
    const store = await storeOf(worker, 9, {
      workers,
      relevanceScoreFn: (score) => {
        if (score > 60) throw reason;
        return 1 - Math.fround(score) / 7;
      },
      onWarning: (warning) => void seen.push(warning),
    });
    const few = await store.similaritySearchWithRelevanceScores('x', 8);
    const none = await store.search('x', 'similarity_score_threshold', { scoreThreshold: 2 });
    await assert.rejects(
      store.similaritySearchWithRelevanceScores('x', 9),
      isError('relevance_score_fn_raised', { cause: reason }),
    );
    await assert.rejects(
      store.similaritySearchWithRelevanceScores('x', { k: 0, scoreThreshold: 1 }),
      isError('k_not_positive'),
    );
    answers.push({ few, none });
    warnings.push(seen);
  }
  assert.deepEqual(answers[1], answers[0]);
  assert.equal(answers[0].few.length, 8);
  assert.deepEqual(warnings[1], warnings[0]);
  assert.equal(/** @type {any} */ (warnings[0]).length, 3);
});

test('what a search that chooses is given is taken in when it is called', async () => {
  const store = await storeOf(worker, 50, { workers: 2 });
  const [query, options] = [new Float32Array([3, 1]), { k: 2, fetchK: 3, filter: { number: { $gte: 20 } } }];
  const expected = await store.maxMarginalRelevanceSearchByVector(query, structuredClone(options));
  const found = store.maxMarginalRelevanceSearchByVector(query, options);
  query.fill(NaN);
  Object.assign(options, { k: 0, fetchK: 1 });
  options.filter.number.$gte = 99;
  assert.deepEqual(await found, expected);
});

test('an index that is not flat is refused', async () => {
  const files = Object.fromEntries(['index.faiss', 'index.pkl'].map((name) => [name, readFileSync(new URL(name, IVF))]));
  const [one, many] = [1, 2].map((workers) => VectorStore.fromLangChain(files, null, { workers }));
  assert.match((await (await one).info()).kind, /IVF/);
  await assert.rejects(many, isError('unsupported_by_index', { message: /IVF/ }));
});

test('workers is a whole number from 1', async () => {
  for (const workers of [0, -1, 1.5, NaN, 257, '2', {}]) {
    await assert.rejects(
      VectorStore.create(null, /** @type {any} */ ({ workers })),
      isError('invalid_option', { message: /workers/ }),
    );
  }
  for (const workers of [1, undefined, null]) {
    const store = await VectorStore.fromVectors([[1]], [{ pageContent: 'a' }], null, /** @type {any} */ ({ workers }));
    await store.addVectors([[2]], [{ pageContent: 'b' }]);
    assert.equal(await store.count(), 2);
  }
});

test('a signal ends a search, and the making of a store', async () => {
  const store = await storeOf(worker, 1_000, { workers: 3 });
  const controller = new AbortController();
  const filter = () => (controller.abort('enough'), true);
  const { signal } = controller;
  assert.equal(await errorOf(store.similaritySearchByVector([0, 1], { filter, signal })), 'enough');
  assert.equal((await store.similaritySearchByVector([0, 1], 3)).length, 3);
  const making = new AbortController();
  const { vectors, documents } = numbered(5_000);
  const made = VectorStore.fromVectors(vectors, documents, null, { dim: 2, workers: 2, signal: making.signal });
  making.abort('no more');
  assert.equal(await errorOf(made), 'no more');
});

test('a freed store, and one whose workers ended, say so', async () => {
  const [freed, store] = await Promise.all([1, 2].map(() => storeOf(worker, 10, { workers: 2 })));
  const pending = freed.similaritySearchByVector([0, 1], 3);
  freed.free();
  freed.free();
  assert.equal((await pending).length, 3);
  await assert.rejects(freed.count(), isError('store_freed'));
  assert.equal(await store.count(), 10);
  await worker.terminate();
  await assert.rejects(store.count(), isError('worker_failed'));
  await assert.rejects(store.getVector('d0'), isError('worker_failed'));
  assert.equal(await (await storeOf(worker, 10, { workers: 2 })).count(), 10);
});
