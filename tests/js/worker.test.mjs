// @ts-check
/**
 * `twindex/worker` in Node: what the class does there as `twindex`'s does, although its functions are on
 * another thread.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, mock, test } from 'node:test';

import {
  deferred,
  embed,
  embeddings,
  errorOf,
  idsOf,
  isError,
  main,
  numbered,
  rejectsWith,
  scoresOf,
  storeOf,
  worker,
} from './worker/twindex.mjs';

const { VectorStore } = worker;

/** More than the worker asks a predicate about at a time. */
const PAGES = 1_234;

test('the worker exports what the main entry does, the same error class, and a way to end it', () => {
  // The worker gets the second module by itself: edge runtimes, which cannot, have no workers.
  const shared = Object.keys(main).filter((name) => name !== 'initInterop');
  assert.deepEqual(Object.keys(worker).sort(), [...shared, 'terminate'].sort());
  assert.equal(worker.VectorStoreError, main.VectorStoreError);
  assert.equal(worker.version, main.version);
  assert.notEqual(worker.VectorStore, main.VectorStore);
});

test('the class has the methods of the main one', () => {
  const methods = (/** @type {Function} */ made) => [
    Reflect.ownKeys(made).filter((key) => key !== 'prototype'),
    Reflect.ownKeys(made.prototype),
  ];
  assert.deepEqual(methods(worker.VectorStore), methods(main.VectorStore));
  assert.throws(() => Reflect.construct(VectorStore, []), isError('invalid_argument', { message: /create/ }));
});

test('a store gives the bytes, hits and scores that it gives on the main thread', async () => {
  const texts = ['a spoon for soup', 'a fork', 'soup of the day', 'forks and spoons'];
  const metadatas = texts.map((_, i) => ({
    i,
    big: 2n ** 60n,
    ['__proto__']: { x: -0 },
    tags: ['é', null, { deep: [1.5] }],
  }));
  const ids = ['a', 'b', 'c', 'd'];
  const [here, there] = await Promise.all(
    [main, worker].map(({ VectorStore }) => VectorStore.fromTexts(texts, metadatas, embeddings, { ids })),
  );
  const bytes = await there.serialize();
  assert.deepEqual(bytes, await here.serialize());
  assert.deepEqual(
    await there.similaritySearchWithScore('soup', 3),
    await here.similaritySearchWithScore('soup', 3),
  );
  assert.deepEqual(await there.getVectors(), await here.getVectors());
  assert.deepEqual(await there.getVector('b'), Float32Array.from(embed('a fork')));
  assert.deepEqual(await there.info(), await here.info());
  const [movedIn, movedOut] = [
    await VectorStore.deserialize(await here.serialize()),
    await main.VectorStore.deserialize(bytes),
  ];
  assert.deepEqual(await movedIn.serialize(), bytes);
  assert.deepEqual(await movedOut.serialize(), bytes);
  assert.equal(movedIn instanceof VectorStore && !(movedIn instanceof main.VectorStore), true);
});

test('answers come in the order of the calls', async () => {
  const store = await VectorStore.create(null, { dim: 2 });
  /** @type {string[]} */
  const order = [];
  const note = (/** @type {string} */ name, /** @type {Promise<any>} */ call) =>
    call.then((answer) => order.push(`${name} ${typeof answer === 'object' ? answer.length : answer}`));
  const { vectors, documents } = numbered(PAGES);
  await Promise.all([
    note('count', store.count()),
    note('add', store.addVectors(vectors, documents)),
    note('count', store.count()),
    note(
      'filtered',
      store.similaritySearchByVector([0, 1], 2, () => true),
    ),
    note('delete', store.delete({ ids: ['d0'] })),
    note('predicate', store.delete({ filter: ({ id }) => id === 'd1' })),
    note('ids', store.ids()),
  ]);
  const left = PAGES - 2;
  assert.deepEqual(order, [
    'count 0',
    `add ${PAGES}`,
    `count ${PAGES}`,
    'filtered 2',
    'delete 1',
    'predicate 1',
    `ids ${left}`,
  ]);
});

test('what a call is given is taken in when it is called', async () => {
  const vectors = new Float32Array([1, 2]);
  const document = { pageContent: 'before', id: 'a', metadata: { list: [1] } };
  const adding = VectorStore.fromVectors(vectors, [document], null, { dim: 2 });
  vectors.fill(9);
  document.pageContent = 'after';
  document.metadata.list.push(2);
  const store = await adding;
  assert.deepEqual(await store.getVector('a'), new Float32Array([1, 2]));
  assert.deepEqual(await store.getByIds(['a']), [
    { pageContent: 'before', id: 'a', metadata: { list: [1] } },
  ]);
});

describe('embeddings', () => {
  test('are called on this thread, as methods of their object, in batches, with progress', async () => {
    class Model {
      /** @type {string[][]} */
      batches = [];
      /** @param {string[]} texts */
      embedDocuments(texts) {
        this.batches.push(texts);
        return texts.map(embed);
      }
      /** @param {string} text */
      embedQuery(text) {
        return Float32Array.from(embed(text));
      }
      // What a worker could not be given.
      client = { fetch: () => {}, secret: Symbol('key') };
    }
    const model = new Model();
    /** @type {unknown[]} */
    const progress = [];
    const texts = ['so', 'of', 'oo'];
    const options = { batchSize: 2, onProgress: (/** @type {unknown} */ told) => void progress.push(told) };
    const store = await VectorStore.fromTexts(texts, null, model, options);
    assert.deepEqual(model.batches, [['so', 'of'], ['oo']]);
    assert.deepEqual(progress, [
      { done: 2, total: 3 },
      { done: 3, total: 3 },
    ]);
    const [[best, score]] = await store.similaritySearchWithScore('of', 1);
    assert.deepEqual([best.pageContent, score], ['of', 0]);
  });

  for (const thrown of [
    new RangeError('no model'),
    Object.assign(new Error('no'), { name: 'Mine' }),
    { some: 'object' },
    'text',
    null,
  ]) {
    test(`what they throw is the very cause: ${thrown}`, async () => {
      const store = await storeOf(worker, 3);
      const failing = await VectorStore.create({
        embedDocuments: async () => Promise.reject(thrown),
        embedQuery: () => {
          throw thrown;
        },
      });
      const added = failing.addTexts(['a']);
      await assert.rejects(added, isError('embeddings_custom', { cause: thrown }));
      await assert.rejects(failing.similaritySearch('a'), isError('embeddings_custom', { cause: thrown }));
      assert.equal(await failing.count(), 0);
      assert.equal(await store.count(), 3);
    });
  }

  for (const batch of [1, 2]) {
    test(`what onProgress throws after batch ${batch} of 2 ends the call, and nothing is added`, async () => {
      const store = await VectorStore.create(embeddings);
      const stop = new Error('enough');
      const onProgress = (/** @type {{ done: number }} */ { done }) => {
        if (done === batch) throw stop;
      };
      await rejectsWith(store.addTexts(['so', 'of'], null, { batchSize: 1, onProgress }), stop);
      assert.equal(await store.count(), 0);
    });
  }

  test('may use the store that they embed for, while a predicate is asked too', async () => {
    /** @type {number[]} */
    const seen = [];
    const embedQuery = async () => {
      seen.push(await store.count());
      await store.similaritySearchByVector([0, 1], 1, () => true);
      await store.addVectors([[5, 5]], [{ pageContent: 'more' }]);
      return [0, 1];
    };
    const { vectors, documents } = numbered(3);
    const store = await VectorStore.fromVectors(
      vectors,
      documents,
      { ...embeddings, embedQuery },
      { dim: 2 },
    );
    assert.equal((await store.similaritySearch('q', 9, () => true)).length, 4);
    assert.deepEqual(
      await store.similaritySearchBatch(['q', 'q'], 1, () => true).then((found) => found.length),
      2,
    );
    assert.deepEqual(seen, [3, 4, 5]);
  });
});

describe('filter functions', () => {
  test('are asked once for every document, in order, on this thread', async () => {
    const store = await storeOf(worker, PAGES);
    /** @type {import('./worker/twindex.mjs').Document[]} */
    const asked = [];
    const even = (/** @type {any} */ document) => {
      asked.push(document);
      return document.metadata.number % 2 === 0;
    };
    assert.deepEqual(idsOf(await store.similaritySearch('q', 3, even)), ['d0', 'd2', 'd4']);
    assert.deepEqual(asked, numbered(PAGES).documents);
  });

  test('give the same answers in every search as the object that says the same', async () => {
    const store = await storeOf(worker, PAGES, { onWarning() {} });
    const object = { number: { $gte: PAGES - 5 } };
    const asked = (/** @type {any} */ { metadata }) => metadata.number >= PAGES - 5;
    /** @type {((filter: any) => Promise<unknown>)[]} */
    const searches = [
      (filter) => store.similaritySearch('q', 3, filter),
      (filter) => store.similaritySearchWithScore('q', { k: 9, filter }),
      (filter) => store.similaritySearchByVector([3, 1], 3, filter),
      (filter) => store.similaritySearchVectorWithScore([3, 1], { k: 3, filter, scoreThreshold: 1e9 }),
      (filter) => store.similaritySearchBatch(['q', 'q'], { k: 3, filter }),
      (filter) => store.similaritySearchWithRelevanceScores('q', { k: 3, filter }),
      (filter) => store.maxMarginalRelevanceSearch('q', { k: 3, filter }),
      (filter) => store.maxMarginalRelevanceSearchByVector([0, 1], { k: 3, filter, lambda: 0.1 }),
      (filter) => store.maxMarginalRelevanceSearchWithScoreByVector([0, 1], { k: 3, filter, fetchK: 2 }),
      (filter) => store.search('q', 'mmr', { k: 3, filter }),
    ];
    for (const search of searches)
      assert.deepEqual(await search(asked), await search(object), String(search));
    const other = await VectorStore.deserialize(await store.serialize());
    assert.equal(await store.delete({ filter: asked }), await other.delete({ filter: object }));
    assert.deepEqual(await store.serialize(), await other.serialize());
    assert.equal(await store.count(), PAGES - 5);
  });

  test('fail as on the main thread, at the first document where they do, with what they threw', async () => {
    const stores = [await storeOf(main, PAGES), await storeOf(worker, PAGES)];
    const thrown = new TypeError('not this one');
    for (const bad of [
      () => {
        throw thrown;
      },
      () => undefined,
      () => 1,
      async () => true,
      () => () => true,
    ]) {
      const results = [];
      for (const store of stores) {
        let calls = 0;
        const filter = (/** @type {any} */ { metadata }) => {
          calls++;
          return /** @type {boolean} */ (metadata.number < 700 ? true : bad());
        };
        for (const call of [() => store.similaritySearch('q', 2, filter), () => store.delete({ filter })]) {
          const error = await errorOf(call());
          results.push([
            error.code,
            error.message,
            calls,
            error.cause === (String(bad).includes('throw') ? thrown : undefined),
          ]);
          calls = 0;
        }
        assert.equal(await store.count(), PAGES);
      }
      assert.deepEqual(results.slice(2), results.slice(0, 2));
      assert.equal(results[0][0], 'callable_filter_raised');
      assert.equal(results[0][2], 701);
    }
  });

  test('are not asked where the call fails before, or there is nothing to ask about', async () => {
    const never = () => assert.fail('asked');
    const store = await storeOf(worker, 3);
    await assert.rejects(store.similaritySearch('q', -1, never), isError('k_not_positive'));
    await assert.rejects(store.similaritySearchByVector([1, 2, 3], 1, never), isError('dimension_mismatch'));
    const empty = await VectorStore.create(embeddings);
    assert.deepEqual(await empty.similaritySearch('q', 1, never), []);
    assert.equal(await empty.delete({ filter: never }), 0);
  });

  test('let a query be embedded once, although the search is made again', async () => {
    const embedQuery = mock.fn(embeddings.embedQuery);
    const store = await VectorStore.fromTexts(['so', 'of'], null, { ...embeddings, embedQuery });
    await store.similaritySearch('soup', 1, () => true);
    await store.similaritySearchBatch(['of', 'of'], 1, () => true);
    const queries = embedQuery.mock.calls.map((call) => call.arguments[0]);
    assert.deepEqual(queries, ['soup', 'of', 'of']);
  });

  test('decide about the store as it is when the query is embedded; nothing comes between', async () => {
    const { vectors, documents } = numbered(PAGES);
    const [asked, answer] = [deferred(), deferred()];
    const embedQuery = async () => {
      asked.resolve();
      await answer.promise;
      return [0, 1];
    };
    const store = await VectorStore.fromVectors(
      vectors,
      documents,
      { ...embeddings, embedQuery },
      { dim: 2 },
    );
    let seen = 0;
    const searching = store.similaritySearch('q', 5 * PAGES, () => {
      seen++;
      // Comes while the predicate is asked: too late for this search.
      if (seen === 1) later = store.addVectors([[0, 1]], [{ pageContent: 'late' }]);
      return true;
    });
    /** @type {Promise<unknown> | undefined} */
    let later;
    await asked.promise;
    // The store is not held while the query is embedded.
    await store.delete({ ids: ['d0'] });
    answer.resolve();
    const found = await searching;
    assert.deepEqual([seen, found.length, found[0].id], [PAGES - 1, PAGES - 1, 'd1']);
    await later;
    assert.equal(await store.count(), PAGES);
  });
});

describe('a relevance function', () => {
  const half = (/** @type {number} */ score) => 1 / (1 + score);

  test('is called on this thread, with filters and thresholds', async () => {
    /** @type {Set<number>} */
    const scores = new Set();
    const relevanceScoreFn = (/** @type {number} */ score) => {
      scores.add(score);
      return half(score);
    };
    const stores = [
      await storeOf(main, PAGES, { relevanceScoreFn: half }),
      await storeOf(worker, PAGES, { relevanceScoreFn }),
    ];
    const [here, there] = stores;
    const options = {
      k: 4,
      scoreThreshold: 0.05,
      filter: (/** @type {any} */ { metadata }) => metadata.number > 1,
    };
    assert.deepEqual(scoresOf(await there.similaritySearchWithRelevanceScores('q', options)), [
      ['d2', Math.fround(0.2)],
      ['d3', Math.fround(0.1)],
      ['d4', Math.fround(1 / 17)],
    ]);
    assert.deepEqual([...scores], [4, 9, 16, 25]);
    for (const store of [here, there]) {
      const retriever = await store.asRetriever({
        searchType: 'similarity_score_threshold',
        searchKwargs: options,
      });
      assert.deepEqual(idsOf(await retriever.invoke('q')), ['d2', 'd3', 'd4']);
    }
  });

  const thrown = new Error('no relevance');
  /** @type {[string, () => any, unknown][]} */
  const bad = [
    [
      'throws',
      () => {
        throw thrown;
      },
      thrown,
    ],
    ['gives no number', () => '1', undefined],
    ['gives a promise', async () => 1, undefined],
  ];
  for (const [name, relevanceScoreFn, cause] of bad) {
    test(`that ${name} fails as on the main thread`, async () => {
      const errors = [];
      for (const twindex of [main, worker]) {
        const store = await storeOf(twindex, 5, { relevanceScoreFn });
        const error = await errorOf(store.similaritySearchWithRelevanceScores('q', 2));
        errors.push([error.code, error.message, error.cause === cause]);
        assert.deepEqual(idsOf(await store.similaritySearch('q', 1)), ['d0']);
      }
      assert.deepEqual(errors[1], errors[0]);
      assert.equal(errors[0][2], true);
    });
  }
});

describe('warnings', () => {
  test('come before the answer they belong to, once, those of earlier attempts never', async () => {
    const told = [];
    for (const twindex of [main, worker]) {
      /** @type {unknown[]} */
      const events = [];
      const store = await storeOf(twindex, 5, {
        onWarning: (warning) => void events.push(warning),
        relevanceScoreFn: (score) => 2 - score,
      });
      const search = store.similaritySearchWithRelevanceScores('q', {
        k: 2,
        scoreThreshold: 3,
        filter: () => true,
      });
      await search.then((hits) => void events.push(hits.length));
      told.push(events);
    }
    const codes = told[1].map((event) => /** @type {any} */ (event).code ?? event);
    assert.deepEqual(codes, ['relevance_out_of_range', 'no_relevant_docs', 0]);
    assert.deepEqual(told[1], told[0]);
  });

  test('what their function throws is what the search rejects with', async () => {
    const thrown = new Error('warned');
    const store = await storeOf(worker, 5, {
      onWarning: () => {
        throw thrown;
      },
    });
    await rejectsWith(store.similaritySearchWithRelevanceScores('q', { scoreThreshold: 3 }), thrown);
    assert.equal(await store.count(), 5);
  });

  test('without a function go to the console of this thread, in the words of the main class', async (t) => {
    const warn = t.mock.method(console, 'warn', () => {});
    for (const twindex of [main, worker]) {
      const store = await storeOf(twindex, 5);
      await store.similaritySearchWithRelevanceScores('q', { scoreThreshold: 3 });
    }
    const printed = warn.mock.calls.map((call) => call.arguments);
    assert.equal(printed.length, 4);
    assert.deepEqual(printed.slice(2), printed.slice(0, 2));
  });
});

describe('cancelling', () => {
  const never = {
    ...embeddings,
    embedQuery: () => new Promise(() => {}),
    embedDocuments: () => new Promise(() => {}),
  };

  for (const reason of [new Error('changed my mind'), 'a word', undefined]) {
    test(`a search rejects at once with the very reason: ${reason}`, async () => {
      const store = await VectorStore.create(never, { dim: 3 });
      await store.addVectors([[1, 2, 3]], [{ pageContent: 'a' }]);
      const controller = new AbortController();
      const searches = [
        store.similaritySearch('q', { signal: controller.signal }),
        store.similaritySearchWithScore('q', { signal: controller.signal, filter: () => true }),
        VectorStore.fromTexts(['a'], null, never, { signal: controller.signal }),
      ];
      controller.abort(reason);
      for (const search of searches) await rejectsWith(search, controller.signal.reason);
      assert.equal(await store.count(), 1);
    });
  }

  test('a signal that has aborted already lets nothing start', async () => {
    const store = await storeOf(worker, 3);
    const signal = AbortSignal.abort('early');
    const calls = mock.fn(embed);
    const counting = await VectorStore.create({
      embedDocuments: (texts) => texts.map(calls),
      embedQuery: calls,
    });
    await rejectsWith(counting.similaritySearch('q', { signal }), 'early');
    await rejectsWith(counting.addTexts(['a'], null, { signal }), 'early');
    await rejectsWith(store.addVectors([[1, 2]], [{ pageContent: 'a' }], { signal }), 'early');
    assert.deepEqual([calls.mock.callCount(), await counting.count(), await store.count()], [0, 0, 3]);
  });

  test('adding stops between batches, with the very reason, and nothing is added', async () => {
    const store = await VectorStore.create(embeddings);
    const controller = new AbortController();
    const reason = new Error('stop');
    const onProgress = mock.fn(() => controller.abort(reason));
    await rejectsWith(
      store.addTexts(['a', 'b', 'c'], null, { batchSize: 1, signal: controller.signal, onProgress }),
      reason,
    );
    assert.deepEqual([onProgress.mock.callCount(), await store.count()], [1, 0]);
  });

  test('adding stops while embeddings do not answer', async () => {
    const started = deferred();
    const store = await VectorStore.create({
      ...never,
      embedDocuments: () => (started.resolve(), new Promise(() => {})),
    });
    const controller = new AbortController();
    const adding = store.addTexts(['a'], null, { signal: controller.signal });
    await started.promise;
    controller.abort();
    await rejectsWith(adding, controller.signal.reason);
    assert.equal(await store.count(), 0);
  });

  test('a change that was made already resolves', async () => {
    const store = await storeOf(worker, 3);
    const controller = new AbortController();
    const adding = store.addVectors([[1, 2]], [{ pageContent: 'a', id: 'a' }], { signal: controller.signal });
    controller.abort();
    assert.deepEqual(await adding, ['a']);
    assert.equal(await store.count(), 4);
  });

  test('a call that waits behind another never starts', async () => {
    // Far more than are asked about while the other call is given up, on a machine however busy.
    const count = 20 * PAGES;
    const store = await storeOf(worker, count);
    const controller = new AbortController();
    let asked = 0;
    const searching = store.similaritySearch('q', 1, () => ++asked > 0);
    const adding = store.addVectors([[1, 2]], [{ pageContent: 'a' }], { signal: controller.signal });
    controller.abort('no more');
    await rejectsWith(adding, 'no more');
    assert.ok(asked < count, 'the search is still under way');
    await searching;
    assert.equal(await store.count(), count);
  });

  test('a predicate is not asked any more', async () => {
    const store = await storeOf(worker, PAGES);
    const controller = new AbortController();
    let asked = 0;
    const filter = () => {
      if (++asked === 1) controller.abort('enough');
      return true;
    };
    await rejectsWith(store.similaritySearch('q', { filter, signal: controller.signal }), 'enough');
    assert.equal((await store.similaritySearch('q', { filter: () => true })).length, 4);
    assert.ok(asked < PAGES);
  });

  test('a signal that is no signal is refused as on the main thread', async () => {
    for (const signal of [{}, 5, { aborted: false }]) {
      /** @type {unknown[]} */
      const errors = [];
      for (const twindex of [main, worker]) {
        const store = await storeOf(twindex, 3);
        const error = await errorOf(store.similaritySearch('q', { signal: /** @type {any} */ (signal) }));
        errors.push([error.code, error.message]);
      }
      assert.deepEqual(errors[1], errors[0]);
    }
  });
});

describe('memory', () => {
  test('is copied, so that the arrays given stay as they were', async () => {
    const { vectors, documents } = numbered(3);
    const store = await VectorStore.fromVectors(vectors, documents, null, { dim: 2 });
    await store.addVectors(
      vectors.subarray(2),
      [1, 2].map((i) => ({ pageContent: `${i}` })),
    );
    const bytes = await store.serialize();
    await VectorStore.deserialize(bytes);
    assert.deepEqual([vectors.length, bytes.length > 100], [6, true]);
  });

  test('is given away where that is asked for', async () => {
    const { vectors, documents } = numbered(3);
    const store = await VectorStore.fromVectors(vectors, documents, null, { dim: 2, transfer: true });
    assert.equal(vectors.length, 0);
    const more = numbered(2, 3);
    await store.addVectors(more.vectors, more.documents, { transfer: true });
    assert.equal(more.vectors.length, 0);
    const again = numbered(2, 3);
    await store.upsertVectors(again.vectors, again.documents, { transfer: true });
    assert.equal(again.vectors.length, 0);
    assert.deepEqual(await store.getVectors(), numbered(5).vectors);
    const bytes = await store.serialize();
    const opened = await VectorStore.deserialize(bytes, null, { transfer: true });
    assert.equal(bytes.length, 0);
    const buffer = (await store.serialize()).buffer;
    await VectorStore.deserialize(buffer, null, { transfer: true });
    assert.equal(buffer.byteLength, 0);
    assert.deepEqual(await opened.ids(), await store.ids());
  });

  test('is given away although the rest has to be sent again, as copies', async () => {
    const { vectors, documents } = numbered(3);
    const proxies = documents.map((document) => new Proxy(document, {}));
    const store = await VectorStore.fromVectors(vectors, proxies, null, { dim: 2, transfer: true });
    assert.equal(vectors.length, 0);
    assert.deepEqual(await store.getVectors(), numbered(3).vectors);
    assert.deepEqual(await store.getByIds(await store.ids()), documents);
  });

  test('stays unless asked for, beyond what the view shows, and where nobody can give it', async () => {
    const { vectors, documents } = numbered(3);
    for (const transfer of [undefined, false])
      await VectorStore.fromVectors(vectors, documents, null, { dim: 2, transfer });
    const part = vectors.subarray(2, 6);
    await VectorStore.fromVectors(part, documents.slice(1), null, { dim: 2, transfer: true });
    const shared = new Float32Array(new SharedArrayBuffer(24));
    await VectorStore.fromVectors(shared, documents, null, { dim: 2, transfer: true });
    const ofWasm = new Float32Array(new WebAssembly.Memory({ initial: 1 }).buffer);
    const many = Array.from({ length: ofWasm.length }, () => ({ pageContent: '' }));
    await VectorStore.fromVectors(ofWasm, many, null, { dim: 1, transfer: true });
    assert.deepEqual([vectors.length, part.length, shared.length, ofWasm.length], [6, 4, 6, 16384]);
  });

  test('the option is refused where it is nothing of the kind, and where there is none', async () => {
    const { vectors, documents } = numbered(3);
    const wrong = /** @type {any} */ ({ dim: 2, transfer: 'yes' });
    await assert.rejects(
      VectorStore.fromVectors(vectors, documents, null, wrong),
      isError('invalid_option', { message: /transfer/ }),
    );
    const store = await storeOf(worker, 3);
    const unknown = /** @type {any} */ ({ transfer: true });
    await assert.rejects(store.addDocuments([], unknown), isError('invalid_option', { message: /transfer/ }));
    assert.equal(vectors.length, 6);
  });

  test('of answers is their own', async () => {
    const store = await storeOf(worker, 3);
    for (const array of [await store.serialize(), await store.getVectors(), await store.getVector('d1')]) {
      assert.equal(array.buffer.byteLength, array.byteLength);
    }
  });
});

describe('merging', () => {
  test('takes a store of the same worker, with what was asked of it before', async () => {
    const [store, other] = [await storeOf(worker, 3), await storeOf(worker, 0)];
    const more = numbered(PAGES, 3);
    const merging = [
      other.addVectors(more.vectors, more.documents, { dim: 2 }),
      other.delete({ filter: ({ id }) => id === 'd3' }),
      store.mergeFrom(other),
      other.mergeFrom(store),
    ];
    const [, deleted, , refused] = await Promise.allSettled(merging);
    assert.equal(deleted.status === 'fulfilled' && deleted.value, 1);
    assert.equal(refused.status === 'rejected' && refused.reason.code, 'id_already_exists');
    assert.deepEqual([await store.count(), await other.count()], [PAGES + 2, PAGES - 1]);
    await assert.rejects(store.mergeFrom(store), isError('merge_incompatible'));
  });

  test('says how to bring over a store of the main thread', async () => {
    const [store, other] = [await storeOf(worker, 3), await storeOf(main, 3)];
    await assert.rejects(
      store.mergeFrom(/** @type {any} */ (other)),
      isError('invalid_argument', { message: /deserialize\(await other/ }),
    );
    await assert.rejects(
      store.mergeFrom(/** @type {any} */ ({})),
      isError('invalid_argument', { message: /VectorStore, got an object/ }),
    );
    assert.equal(await store.count(), 3);
  });
});

describe('freeing', () => {
  test('lets calls under way end, and later ones reject', async () => {
    const store = await storeOf(worker, PAGES);
    const retriever = await store.asRetriever();
    const other = await storeOf(worker, 1);
    const before = [
      store.similaritySearch('q', 1),
      store.similaritySearch('q', 1, () => true),
      retriever.invoke('q', { filter: () => true }),
      other.mergeFrom(store).catch((error) => [error]),
    ];
    store.free();
    const after = [
      () => store.count(),
      () => store.delete({ filter: () => true }),
      () => retriever.invoke('q'),
      () => store.mergeFrom(other),
      () => other.mergeFrom(store),
      () => store.documents().next(),
    ];
    for (const call of after)
      await assert.rejects(call(), isError('store_freed', { message: /^the store was freed$/ }));
    assert.deepEqual(
      (await Promise.all(before)).map((found) => found?.length),
      [1, 1, 4, 1],
    );
    store.free();
    assert.equal(await other.count(), 1);
  });

  test('happens by Symbol.dispose', async () => {
    const store = await storeOf(worker, 3);
    store[Symbol.dispose]();
    await assert.rejects(store.count(), isError('store_freed'));
  });
});

describe('iterating', () => {
  test('gives all documents by position', async () => {
    const store = await storeOf(worker, PAGES);
    const walked = [];
    for await (const document of store) walked.push(document);
    assert.deepEqual(walked, numbered(PAGES).documents);
    const again = [];
    for await (const { id } of store.documents()) again.push(id);
    assert.deepEqual(again, await store.ids());
  });

  test('passes over what is deleted meanwhile, and does not come to what is added', async () => {
    const store = await storeOf(worker, PAGES);
    const walked = [];
    for await (const { id } of store) {
      walked.push(id);
      if (id === 'd0') {
        await store.delete({ ids: [`d${PAGES - 1}`] });
        await store.addVectors([[1, 2]], [{ pageContent: 'late' }]);
      }
    }
    assert.deepEqual(walked, idsOf(numbered(PAGES - 1).documents));
  });
});

describe('a retriever', () => {
  test('keeps its filter function, which a call can replace or take away', async () => {
    const store = await storeOf(worker, PAGES);
    const filter = (/** @type {any} */ { metadata }) => metadata.number > 9;
    const retriever = await store.asRetriever({ searchKwargs: { k: 2, filter } });
    assert.deepEqual(idsOf(await retriever.invoke('q')), ['d10', 'd11']);
    assert.deepEqual(idsOf(await retriever.invoke('q', { filter: ({ id }) => id !== 'd0' })), ['d1', 'd2']);
    assert.deepEqual(idsOf(await retriever.invoke('q', { filter: null, k: 1 })), ['d0']);
    await assert.rejects(
      store.asRetriever({ searchType: 'similarity_score_threshold' }),
      isError('score_threshold_required'),
    );
  });

  test('adds documents, embedded on this thread', async () => {
    const store = await VectorStore.create(embeddings);
    const retriever = await store.asRetriever();
    const onProgress = mock.fn();
    assert.deepEqual(await retriever.addDocuments([{ pageContent: 'soup', id: 's' }], { onProgress }), ['s']);
    assert.deepEqual(idsOf(await retriever.invoke('soup')), ['s']);
    assert.equal(onProgress.mock.callCount(), 1);
  });

  test('is cancelled by a signal of its own, unless a call brings another or none', async () => {
    const store = await storeOf(worker, 3);
    const controller = new AbortController();
    const retriever = await store.asRetriever({ searchKwargs: { signal: controller.signal } });
    assert.equal((await retriever.invoke('q')).length, 3);
    controller.abort('over');
    await rejectsWith(retriever.invoke('q'), 'over');
    assert.equal((await retriever.invoke('q', { signal: null })).length, 3);
    assert.equal((await retriever.invoke('q', { signal: new AbortController().signal })).length, 3);
  });
});

test('stores are saved and loaded by the worker, where the main class finds them', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'twindex-worker-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const store = await storeOf(worker, 5);
  await store.save('five', { directory });
  assert.deepEqual(await VectorStore.list({ directory }), ['five']);
  const here = await main.VectorStore.load('five', null, { directory });
  const there = await VectorStore.load('five', embeddings, { directory });
  assert.deepEqual(await there.serialize(), await here.serialize());
  await assert.rejects(VectorStore.load('six', null, { directory }), isError('file_not_found'));
  await assert.rejects(store.save('a/b', { directory }), isError('invalid_index_name'));
  await rejectsWith(store.save('five', { directory, signal: AbortSignal.abort('no') }), 'no');
  assert.deepEqual(
    [await VectorStore.remove('five', { directory }), await VectorStore.remove('five', { directory })],
    [true, false],
  );
});

test('bytes come as a Blob and as a Response too', async () => {
  const bytes = await (await storeOf(worker, 5)).serialize();
  const headers = { 'content-type': 'application/octet-stream' };
  for (const source of [
    new Blob([bytes]),
    new Response(bytes, { headers }),
    bytes.buffer,
    Buffer.from(bytes),
  ]) {
    const store = await VectorStore.deserialize(source);
    assert.equal(await store.count(), 5);
  }
  const missing = new Response('not here', { status: 404 });
  await assert.rejects(VectorStore.deserialize(missing), isError('io_error', { message: /status 404/ }));
  await assert.rejects(VectorStore.deserialize(Response.error()), isError('io_error'));
  const used = new Response(bytes);
  await used.arrayBuffer();
  await assert.rejects(VectorStore.deserialize(used), isError('io_error'));
});

test('many calls at once all end, and what they answer adds up', async (t) => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = (/** @type {number} */ below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const soon = () => new Promise((resolve) => setTimeout(resolve, random(4)));
  const slow = {
    embedDocuments: async (/** @type {string[]} */ texts) => (await soon(), texts.map(() => [random(50), 1])),
    embedQuery: async () => (await soon(), [random(50), 1]),
  };
  const { vectors, documents } = numbered(600);
  const store = await VectorStore.fromVectors(vectors, documents, slow, {
    dim: 2,
    relevanceScoreFn: (score) => 1 / (1 + score),
  });
  const retriever = await store.asRetriever({
    searchKwargs: { k: 3, filter: ({ metadata }) => metadata.number !== 7 },
  });
  let count = documents.length;
  let cancelled = 0;
  /** @param {string[]} ids */
  const added = (ids) => void (count += ids.length);
  /** @param {number} deleted */
  const gone = (deleted) => void (count -= deleted);
  const nothing = () => {};
  /** @type {((signal: AbortSignal, i: number) => Promise<void>)[]} */
  const calls = [
    (signal, i) => store.addTexts([`${i}`, `${i} again`], null, { batchSize: 1, signal }).then(added),
    (signal, i) =>
      store.addVectors([[i, 1]], [{ pageContent: `${i}`, metadata: { number: i } }], { signal }).then(added),
    (signal) => retriever.addDocuments([{ pageContent: 'r' }], { signal }).then(added),
    () => store.delete({ ids: [`d${random(600)}`], ignoreUnknown: true }).then(gone),
    () => store.delete({ filter: ({ metadata }) => metadata.number === random(600) }).then(gone),
    (signal) => store.similaritySearch('q', { k: 2, signal }).then(nothing),
    (signal) =>
      store.similaritySearch('q', { k: 2, signal, filter: ({ id }) => id.endsWith('3') }).then(nothing),
    (signal) => store.similaritySearchBatch(['q', 'r'], { k: 2, signal, filter: () => true }).then(nothing),
    (signal) =>
      store
        .similaritySearchWithRelevanceScores('q', { k: 2, signal, filter: () => random(2) === 0 })
        .then(nothing),
    (signal) => retriever.invoke('q', { signal }).then(nothing),
    () => store.count().then(nothing),
  ];
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const controller = new AbortController();
      const isCancelled = random(3) === 0;
      const call = calls[random(calls.length)](controller.signal, i);
      if (isCancelled) soon().then(() => controller.abort(i));
      await call.catch((reason) => {
        assert.equal(reason, i);
        cancelled++;
      });
    }),
  );
  assert.equal(await store.count(), count);
  assert.equal(new Set(await store.ids()).size, count);
  assert.ok(cancelled > 0);
});
