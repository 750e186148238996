// @ts-check
/** How a store ends, what becomes of its memory, and of everything if the module itself fails. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { VectorStore, abc, deferred, embed, idsOf, isError, refused, run, turn } from './store/twindex.mjs';

/** Every method of a store. @type {Record<string, (store: any) => Promise<unknown>>} */
const METHODS = {
  addTexts: (store) => store.addTexts(['x']),
  addDocuments: (store) => store.addDocuments([{ pageContent: 'x' }]),
  addVectors: (store) => store.addVectors([[1, 2, 3]], [{ pageContent: 'x' }]),
  upsert: (store) => store.upsert([{ pageContent: 'x', id: 'a' }]),
  upsertVectors: (store) => store.upsertVectors([[1, 2, 3]], [{ pageContent: 'x', id: 'a' }]),
  similaritySearch: (store) => store.similaritySearch('a'),
  similaritySearchWithScore: (store) => store.similaritySearchWithScore('a'),
  similaritySearchByVector: (store) => store.similaritySearchByVector([1, 0, 0]),
  similaritySearchVectorWithScore: (store) => store.similaritySearchVectorWithScore([1, 0, 0]),
  similaritySearchBatch: (store) => store.similaritySearchBatch(['a']),
  similaritySearchWithRelevanceScores: (store) => store.similaritySearchWithRelevanceScores('a'),
  maxMarginalRelevanceSearch: (store) => store.maxMarginalRelevanceSearch('a'),
  maxMarginalRelevanceSearchByVector: (store) => store.maxMarginalRelevanceSearchByVector([1, 0, 0]),
  maxMarginalRelevanceSearchWithScoreByVector: (store) =>
    store.maxMarginalRelevanceSearchWithScoreByVector([1, 0, 0]),
  search: (store) => store.search('a', 'mmr'),
  asRetriever: (store) => store.asRetriever(),
  delete: (store) => store.delete({ ids: ['a'] }),
  getByIds: (store) => store.getByIds(['a']),
  mergeFrom: async (store) => store.mergeFrom(await VectorStore.create()),
  serialize: (store) => store.serialize(),
  vectorLoss: (store) => store.vectorLoss('i8'),
  save: (store) => store.save('never saved'),
  toLangChain: (store) => store.toLangChain(),
  importReport: (store) => store.importReport(),
  // A flat index has none, which it says.
  setSearchParameter: (store) =>
    store.setSearchParameter('nprobe', 1).catch((error) => {
      if (error.code !== 'unsupported_by_index') throw error;
    }),
  count: (store) => store.count(),
  ids: (store) => store.ids(),
  getVector: (store) => store.getVector('a'),
  getVectors: (store) => store.getVectors(),
  info: (store) => store.info(),
  documents: (store) => store.documents().next(),
};

describe('a store that was freed', () => {
  test('is asked in all its methods here', () => {
    const own = Object.getOwnPropertyNames(VectorStore.prototype);
    assert.deepEqual(own.sort(), ['constructor', 'free', ...Object.keys(METHODS)].sort());
  });

  for (const [name, call] of Object.entries(METHODS)) {
    test(`refuses ${name}`, async () => {
      const store = await abc();
      store.free();
      const calling = call(store);
      assert.ok(calling instanceof Promise);
      await assert.rejects(calling, isError('store_freed', /^the store was freed$/));
    });
  }

  test('may be freed again', async () => {
    const store = await abc();
    assert.equal(store.free(), undefined);
    assert.equal(store.free(), undefined);
    store[Symbol.dispose]();
  });

  test('is refused by its iterators and retrievers', async () => {
    const store = await abc();
    const retriever = await store.asRetriever();
    const [begun, fresh] = [store.documents(), store[Symbol.asyncIterator]()];
    assert.equal((await begun.next()).value.id, 'a');
    store.free();
    await assert.rejects(retriever.invoke('a'), isError('store_freed'));
    await assert.rejects(retriever.addDocuments([]), isError('store_freed'));
    await assert.rejects(fresh.next(), isError('store_freed'));
    assert.deepEqual(idsOf([(await begun.next()).value, (await begun.next()).value]), ['b', 'c']);
    assert.deepEqual(await begun.next(), { value: undefined, done: true });
  });

  test('leaves other stores alone, and what it gave', async () => {
    const [store, other] = [await abc(), await abc()];
    const [documents, vectors, bytes] = [
      await store.getByIds(['b']),
      await store.getVectors(),
      await store.serialize(),
    ];
    store.free();
    for (let i = 0; i < 50; i++) (await abc()).free();
    assert.deepEqual(documents, [{ pageContent: 'b', metadata: { id: 'b' }, id: 'b' }]);
    assert.deepEqual(vectors, new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]));
    assert.deepEqual(await other.serialize(), bytes);
  });
});

describe('freeing lets calls under way end', () => {
  for (const [name, call] of Object.entries(METHODS)) {
    if (['save', 'mergeFrom', 'documents'].includes(name)) continue;
    test(`as if it had not been called: ${name}`, async () => {
      const [store, twin] = [await abc(), await abc()];
      const calling = call(store);
      store.free();
      const [ended, expected] = [await calling, await call(twin)];
      if (/^(?:add|upsert|as|serialize)/.test(name)) assert.equal(typeof ended, typeof expected);
      else assert.deepEqual(ended, expected);
    });
  }

  test('while they embed', async () => {
    const gate = deferred();
    const slow = async (/** @type {string[]} */ texts) => {
      await gate.promise;
      return texts.map(embed);
    };
    const store = await abc({
      embedDocuments: slow,
      embedQuery: async (/** @type {string} */ text) => (await slow([text]))[0],
    });
    const calls = [
      store.addTexts(['bb'], null, { ids: ['bb'] }),
      store.similaritySearch('b', 1),
      store.addTexts(['b'], null, { ids: ['a'] }),
    ];
    await turn();
    store.free();
    gate.resolve();
    const [added, found, refusedAdd] = await Promise.allSettled(calls);
    assert.deepEqual(added, { status: 'fulfilled', value: ['bb'] });
    assert.deepEqual(idsOf(/** @type {any} */ (found).value), ['b']);
    isError('id_already_exists')(/** @type {any} */ (refusedAdd).reason);
  });

  test('while another store is merged from it', async () => {
    const store = await VectorStore.create();
    const other = await abc();
    const merging = store.mergeFrom(other);
    other.free();
    await merging;
    assert.deepEqual(await store.ids(), ['a', 'b', 'c']);
  });
});

test('`using` frees a store', async () => {
  assert.equal(typeof Symbol.dispose, 'symbol');
  const store = await abc();
  const { [Symbol.dispose]: dispose } = store;
  dispose.call(store);
  await assert.rejects(store.count(), isError('store_freed'));
  const descriptor = Object.getOwnPropertyDescriptor(VectorStore.prototype, Symbol.dispose);
  assert.equal(descriptor?.enumerable, false);
});

describe('iterating', () => {
  test('gives every document once, by position, and can be left', async () => {
    const store = await VectorStore.create();
    const documents = Array.from({ length: 600 }, (_, i) => ({
      pageContent: `${i}`,
      id: `${i}`,
      metadata: { i },
    }));
    await store.addVectors(new Float32Array(600).fill(1), documents, { dim: 1 });
    const seen = [];
    for await (const document of store) seen.push(document);
    assert.deepEqual(seen, documents);
    for await (const { id } of store.documents()) if (id === '300') break;
    assert.equal(await store.count(), 600);
  });

  test('passes over what is deleted before it is fetched, and does not come to what is added', async () => {
    const store = await VectorStore.create();
    const documents = Array.from({ length: 300 }, (_, i) => ({ pageContent: '', id: `${i}` }));
    await store.addVectors(new Float32Array(300).fill(1), documents, { dim: 1 });
    const seen = [];
    for await (const { id } of store) {
      if (seen.push(id) === 1) {
        await store.delete({ ids: ['0', '299'] });
        await store.addVectors([[1]], [{ pageContent: '', id: 'new' }]);
      }
    }
    assert.deepEqual(
      seen,
      documents.slice(0, 299).map(({ id }) => id),
    );
  });

  test('a store of nothing ends at once', async () => {
    const iterator = (await VectorStore.create()).documents();
    assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    assert.equal(iterator[Symbol.asyncIterator](), iterator);
  });
});

describe('the module`s memory is as large as after 10', () => {
  /** @type {[what: string, way: string, dim: number, rounds: number][]} */
  const ways = [
    ['after 1,000 loads and frees of 10,000 vectors of 384 numbers', 'loads', 384, 1000],
    ['after 200 stores of 10,000 vectors that were used', 'uses', 32, 200],
    ['after 200 stores that `using` has disposed of', 'disposes', 32, 200],
    ['after 200 stores that were forgotten', 'forgets', 32, 200],
    ['after 200 stores whose calls were cancelled', 'aborts', 32, 200],
  ];
  for (const [what, way, dim, rounds] of ways) {
    test(what, () => {
      const { status, stderr, lines } = run(
        'memory.mjs',
        [way, String(dim), String(rounds)],
        ['--expose-gc'],
      );
      assert.deepEqual([status, stderr], [0, '']);
      const [early, late] = lines.map((line) => JSON.parse(line));
      assert.deepEqual([early.round, late.round], [10, rounds]);
      assert.ok(early.bytes > 1e6, `${early.bytes} bytes`);
      // What is forgotten goes a little later than what is freed.
      const allowed = way === 'forgets' ? 1.5 * early.bytes : early.bytes;
      assert.ok(late.bytes <= allowed, `${early.bytes} bytes after 10, ${late.bytes} after ${rounds}`);
    });
  }
});

describe('a trap', () => {
  const broken = 'internal_error';
  for (const place of ['starting', 'working', 'working on an answer']) {
    test(`while it is ${place} ends every call, none hangs, and the process goes on`, () => {
      const { status, stderr, lines } = run('trap.mjs', [place]);
      assert.deepEqual([status, stderr], [0, '']);
      const [trapped, along, ...others] = lines;
      assert.equal(trapped, `trapped ${broken}`);
      assert.match(along ?? '', /^along (?:internal_error|resolved)$/);
      assert.deepEqual(others, [
        `pending ${broken}`,
        `later ${broken}`,
        'same error true',
        `other store ${broken}`,
        `retriever ${broken}`,
        `create ${broken}`,
        `fromTexts ${broken}`,
        `deserialize ${broken}`,
        'freed store_freed',
      ]);
    });
  }
});

test('a call that is refused leaves the bytes as they were, thousands of times', async () => {
  const store = await abc();
  const before = await store.serialize();
  for (let i = 0; i < 3000; i++) {
    await assert.rejects(
      store.addVectors([[1, 2, i]], [{ pageContent: 'x', id: 'a' }]),
      isError('id_already_exists'),
    );
  }
  assert.deepEqual(await store.serialize(), before);
  await refused(
    store,
    () => store.addVectors([[1, 2]], [{ pageContent: 'x' }]),
    isError('dimension_mismatch'),
  );
  assert.deepEqual(idsOf(await store.similaritySearch('c', 1)), ['c']);
});
