// @ts-check
/** Calls that are cancelled: they reject with the very reason, and change nothing. */

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';

import {
  Thrown,
  VectorStore,
  abc,
  deferred,
  embed,
  isError,
  refused,
  rejectsWith,
  turn,
  unreadable,
} from './store/twindex.mjs';

/**
 * Every call that takes a signal, and embeds.
 *
 * @type {[name: string, call: (store: any, signal: any) => Promise<any>][]}
 */
const EMBEDDING = [
  ['addTexts', (store, signal) => store.addTexts(['x', 'y'], null, { signal, batchSize: 1 })],
  [
    'addDocuments',
    (store, signal) =>
      store.addDocuments([{ pageContent: 'x' }, { pageContent: 'y' }], { signal, batchSize: 1 }),
  ],
  [
    'upsert',
    (store, signal) =>
      store.upsert([{ pageContent: 'x', id: 'a' }, { pageContent: 'y' }], { signal, batchSize: 1 }),
  ],
  ['similaritySearch', (store, signal) => store.similaritySearch('x', { signal })],
  ['similaritySearchWithScore', (store, signal) => store.similaritySearchWithScore('x', { signal })],
  [
    'similaritySearchWithRelevanceScores',
    (store, signal) => store.similaritySearchWithRelevanceScores('x', { signal }),
  ],
  ['similaritySearchBatch', (store, signal) => store.similaritySearchBatch(['x', 'y'], { signal })],
  ['maxMarginalRelevanceSearch', (store, signal) => store.maxMarginalRelevanceSearch('x', { signal })],
  ['search', (store, signal) => store.search('x', 'mmr', { signal })],
  ['invoke', async (store, signal) => (await store.asRetriever()).invoke('x', { signal })],
  [
    'a retriever`s searches',
    async (store, signal) => (await store.asRetriever({ searchKwargs: { signal } })).invoke('x'),
  ],
  [
    'addDocuments of a retriever',
    async (store, signal) => (await store.asRetriever()).addDocuments([{ pageContent: 'x' }], { signal }),
  ],
  ['fromTexts', (store, signal) => VectorStore.fromTexts(['x'], null, store.own, { signal })],
  [
    'fromDocuments',
    (store, signal) => VectorStore.fromDocuments([{ pageContent: 'x' }], store.own, { signal }),
  ],
];

/** The others. @type {[name: string, call: (store: any, signal: any) => Promise<any>][]} */
const DIRECT = [
  ['fromVectors', (_, signal) => VectorStore.fromVectors([[1]], [{ pageContent: 'x' }], null, { signal })],
  [
    'deserialize',
    async (store, signal) => VectorStore.deserialize(await store.serialize(), null, { signal }),
  ],
  ['addVectors', (store, signal) => store.addVectors([[1, 2, 3]], [{ pageContent: 'x' }], { signal })],
  [
    'upsertVectors',
    (store, signal) => store.upsertVectors([[1, 2, 3]], [{ pageContent: 'x', id: 'a' }], { signal }),
  ],
  ['similaritySearchByVector', (store, signal) => store.similaritySearchByVector([1, 0, 0], { signal })],
  [
    'similaritySearchVectorWithScore',
    (store, signal) => store.similaritySearchVectorWithScore([1, 0, 0], { signal }),
  ],
  [
    'similaritySearchBatch by vectors',
    (store, signal) => store.similaritySearchBatch([[1, 0, 0]], { signal }),
  ],
  [
    'maxMarginalRelevanceSearchByVector',
    (store, signal) => store.maxMarginalRelevanceSearchByVector([1, 0, 0], { signal }),
  ],
  [
    'maxMarginalRelevanceSearchWithScoreByVector',
    (store, signal) => store.maxMarginalRelevanceSearchWithScoreByVector([1, 0, 0], { signal }),
  ],
];

/** A store, its embeddings beside it, and how often they were asked. @param {(answer: any) => any} answer */
async function countedStore(answer) {
  let asked = 0;
  const own = {
    embedDocuments: (/** @type {string[]} */ texts) => (asked++, answer(texts.map(embed))),
    embedQuery: (/** @type {string} */ text) => (asked++, answer(embed(text))),
  };
  const store = Object.assign(await abc(own), { own });
  return { store, asked: () => asked };
}

describe('a signal', () => {
  for (const [name, call] of [...EMBEDDING, ...DIRECT]) {
    test(`that has aborted lets ${name} not begin, and its reason is what comes`, async () => {
      for (const reason of [new Thrown('enough'), 'enough', null, 0, { why: 'enough' }]) {
        const { store, asked } = await countedStore((answer) => answer);
        const before = await store.serialize();
        await rejectsWith(call(store, AbortSignal.abort(reason)), reason);
        assert.equal(asked(), 0);
        assert.deepEqual(await store.serialize(), before);
      }
      const { store } = await countedStore((answer) => answer);
      const { signal } = new AbortController();
      assert.notEqual(await call(store, signal), null);
    });
  }

  for (const [name, call] of EMBEDDING) {
    test(`ends ${name} while embeddings do not answer`, async () => {
      const { store, asked } = await countedStore(() => new Promise(() => {}));
      const before = await store.serialize();
      const controller = new AbortController();
      const calling = call(store, controller.signal);
      while (asked() === 0) await turn();
      const reason = new Thrown('enough');
      controller.abort(reason);
      await rejectsWith(calling, reason);
      assert.equal(asked(), 1);
      assert.deepEqual(await store.serialize(), before);
      assert.equal(await store.count(), 3);
    });

    test(`ends ${name} whatever embeddings answer afterwards`, async () => {
      const gates = [deferred(), deferred()];
      const { store, asked } = await countedStore(() => gates[asked() - 1]?.promise);
      const controller = new AbortController();
      const calling = call(store, controller.signal);
      while (asked() === 0) await turn();
      controller.abort('enough');
      await rejectsWith(calling, 'enough');
      gates[0]?.reject(new Thrown('too late'));
      await turn();
      assert.equal(asked(), 1);
      assert.equal(await store.count(), 3);
    });
  }

  for (const [name, call] of EMBEDDING.slice(0, 3)) {
    test(`ends ${name} between batches`, async () => {
      const controller = new AbortController();
      const { store, asked } = await countedStore((answer) => {
        if (asked() === 1) controller.abort('enough');
        return answer;
      });
      const before = await store.serialize();
      await rejectsWith(call(store, controller.signal), 'enough');
      assert.equal(asked(), 1);
      assert.deepEqual(await store.serialize(), before);
    });

    test(`that aborts in the last batch of ${name} lets nothing be added`, async () => {
      const controller = new AbortController();
      const { store, asked } = await countedStore((answer) => {
        if (asked() === 2) controller.abort('enough');
        return answer;
      });
      const before = await store.serialize();
      await rejectsWith(call(store, controller.signal), 'enough');
      assert.equal(asked(), 2);
      assert.deepEqual(await store.serialize(), before);
    });
  }

  test('that aborts while progress is told lets nothing be added', async () => {
    const store = await abc();
    const controller = new AbortController();
    const before = await store.serialize();
    const onProgress = () => controller.abort('enough');
    await rejectsWith(store.addTexts(['x'], null, { onProgress, signal: controller.signal }), 'enough');
    assert.deepEqual(await store.serialize(), before);
  });

  test('that aborts between the queries of a batch ends it', async () => {
    const controller = new AbortController();
    const { store, asked } = await countedStore((answer) => {
      controller.abort('enough');
      return answer;
    });
    await rejectsWith(store.similaritySearchBatch(['x', 'y', 'z'], { signal: controller.signal }), 'enough');
    assert.equal(asked(), 1);
  });

  test('that aborts right after the call ends a search before it begins', async () => {
    const store = await abc();
    const controller = new AbortController();
    let asked = 0;
    const filter = () => ++asked > 0;
    const searching = store.similaritySearchByVector([1, 0, 0], { filter, signal: controller.signal });
    controller.abort('enough');
    await rejectsWith(searching, 'enough');
    assert.equal(asked, 0);
  });

  test('of a timeout gives its own reason', async () => {
    const { store } = await countedStore(() => new Promise(() => {}));
    const keepAlive = setInterval(() => {}, 1000);
    const error = await store.addTexts(['x'], null, { signal: AbortSignal.timeout(1) }).then(
      () => assert.fail('it did not reject'),
      (/** @type {unknown} */ thrown) => thrown,
    );
    clearInterval(keepAlive);
    assert.equal(error.name, 'TimeoutError');
  });

  test('that has aborted does not end a call that is over', async () => {
    const store = await abc();
    const controller = new AbortController();
    const ids = await store.addTexts(['x'], null, { signal: controller.signal });
    controller.abort();
    await turn();
    assert.deepEqual((await store.getByIds(ids)).length, 1);
  });

  test('is listened to while embeddings are waited for, and no longer', async () => {
    const { signal } = new AbortController();
    /** @type {number[]} */
    const during = [];
    const { store } = await countedStore(async (answer) => {
      await turn();
      during.push(getEventListeners(signal, 'abort').length);
      return answer;
    });
    for (const [, call] of EMBEDDING) await call(store, signal);
    await turn();
    assert.ok(during.length >= EMBEDDING.length && during.every((count) => count === 1), during.join());
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  /** @type {[what: string, make: () => any][]} */
  const foreign = [
    ['a number', () => 5],
    ['a string', () => 'abort'],
    ['a function', () => () => {}],
    ['an object', () => ({})],
    ['an event target', () => new EventTarget()],
    ['a controller', () => new AbortController()],
    ['an object with a flag', () => ({ aborted: false })],
    [
      'an object that looks like one',
      () => ({ aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} }),
    ],
    ['an object that lets go of nothing', () => ({ aborted: false, addEventListener() {} })],
    ['an object with the prototype of one', () => Object.create(AbortSignal.prototype)],
    [
      'an object that cannot be read',
      () => unreadable({ addEventListener() {}, removeEventListener() {} }, 'aborted'),
    ],
    [
      'an object whose flag can be read once',
      () => {
        let reads = 0;
        return {
          get aborted() {
            if (reads++ > 0) throw new Thrown('once');
            return false;
          },
          addEventListener() {},
          removeEventListener() {},
        };
      },
    ],
    [
      'an object without a reason',
      () => unreadable({ aborted: true, addEventListener() {}, removeEventListener() {} }, 'reason'),
    ],
  ];
  for (const [what, make] of foreign) {
    test(`is not ${what}`, async () => {
      for (const [, call] of [...EMBEDDING, ...DIRECT]) {
        const { store, asked } = await countedStore((answer) => answer);
        await refused(
          store,
          () => call(store, make()),
          isError('invalid_option', /^option signal: expected an AbortSignal, got /),
        );
        assert.equal(asked(), 0);
      }
    });
  }
});
