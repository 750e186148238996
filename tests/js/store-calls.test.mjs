// @ts-check
/** Calls at the same time, calls that are cancelled, and callbacks that call the store again. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  Thrown,
  VectorStore,
  abc,
  deferred,
  embed,
  embeddings,
  idsOf,
  isError,
  refused,
  rejectsWith,
  turn,
  unreadable,
} from './store/twindex.mjs';

/** Every call that takes a signal, and embeds. @type {[name: string, call: (store: any, signal: any) => Promise<any>][]} */
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

  test('keeps no listener of a call that is over', async () => {
    const store = await abc();
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (/** @type {any[]} */ ...args) => (
      listeners++,
      add(.../** @type {[any, any]} */ (args))
    );
    signal.removeEventListener = (/** @type {any[]} */ ...args) => (
      listeners--,
      remove(.../** @type {[any, any]} */ (args))
    );
    await store.addTexts(['x', 'y'], null, { signal, batchSize: 1 });
    await store.similaritySearch('x', { signal });
    await turn();
    assert.equal(listeners, 0);
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

describe('calls at the same time', () => {
  test('with the same id: one adds it, the others are refused whole', async () => {
    const gates = [deferred(), deferred(), deferred()];
    let asked = 0;
    const store = await abc({
      ...embeddings,
      embedDocuments: async (/** @type {string[]} */ texts) => {
        await gates[asked++]?.promise;
        return texts.map(embed);
      },
    });
    const adding = ['1', '2', '3'].map((text) =>
      store.addTexts([text, 'other'], null, { ids: ['same', text] }),
    );
    const settled = Promise.allSettled(adding);
    while (asked < 3) await turn();
    for (const at of [1, 0, 2]) gates[at]?.resolve();
    const [first, second, third] = await settled;
    assert.deepEqual(second, { status: 'fulfilled', value: ['same', '2'] });
    for (const answer of [first, third]) {
      assert.equal(answer?.status, 'rejected');
      isError('id_already_exists', /"same"/)(/** @type {any} */ (answer).reason);
    }
    assert.deepEqual(await store.ids(), ['a', 'b', 'c', 'same', '2']);
  });

  test('that upsert the same id leave the one that was embedded last', async () => {
    const gates = [deferred(), deferred()];
    let asked = 0;
    const store = await abc({
      ...embeddings,
      embedDocuments: async (/** @type {string[]} */ texts) => {
        await gates[asked++]?.promise;
        return texts.map(embed);
      },
    });
    const first = store.upsert([{ pageContent: 'first', id: 'same' }]);
    const second = store.upsert([{ pageContent: 'second', id: 'same' }]);
    gates[1]?.resolve();
    await second;
    gates[0]?.resolve();
    await first;
    assert.equal((await store.getByIds(['same']))[0].pageContent, 'first');
    assert.equal(await store.count(), 4);
  });

  test('search the store as it is before or after an add, never between', async () => {
    const store = await abc();
    const documents = Array.from({ length: 500 }, (_, i) => ({ pageContent: '', id: `n${i}` }));
    const calls = [];
    for (let i = 0; i < 20; i++) {
      const some = documents.slice(25 * i, 25 * (i + 1));
      calls.push(store.addVectors(new Float32Array(75).fill(i), some));
      calls.push(
        store.similaritySearchByVector([1, 0, 0], 1000).then((/** @type {any[]} */ found) => found.length),
      );
      calls.push(store.count());
    }
    const answers = await Promise.all(calls);
    for (const [i, answer] of answers.entries()) {
      if (i % 3 > 0) assert.equal(answer, 3 + 25 * (Math.floor(i / 3) + 1), `call ${i}`);
    }
  });

  test('are made in the order they were called, where nothing is embedded', async () => {
    const store = await abc();
    const answers = await Promise.all([
      store.delete({ ids: ['b'] }),
      store.ids(),
      store.upsertVectors([[0, 1, 0]], [{ pageContent: 'b again', id: 'b' }]),
      store.ids(),
      store.delete({ filter: (/** @type {any} */ document) => document.id === 'a' }),
      store.ids(),
    ]);
    assert.deepEqual(answers, [1, ['a', 'c'], ['b'], ['a', 'c', 'b'], 1, ['c', 'b']]);
  });

  test('embed while other calls are made', async () => {
    const gate = deferred();
    const store = await abc({
      ...embeddings,
      embedDocuments: async (/** @type {string[]} */ texts) => {
        await gate.promise;
        return texts.map(embed);
      },
    });
    const adding = store.addTexts(['bb'], null, { ids: ['bb'] });
    assert.deepEqual(idsOf(await store.similaritySearch('bb', 1)), ['b']);
    assert.equal(await store.delete({ ids: ['a', 'b', 'c'] }), 3);
    gate.resolve();
    assert.deepEqual(await adding, ['bb']);
    assert.deepEqual(await store.ids(), ['bb']);
  });

  test('that find another dimension than they embedded for are refused', async () => {
    const gate = deferred();
    const store = await VectorStore.create({
      ...embeddings,
      embedDocuments: async (texts) => {
        await gate.promise;
        return texts.map(embed);
      },
    });
    const adding = store.addTexts(['a']);
    await store.addVectors([[1, 2]], [{ pageContent: 'x', id: 'x' }]);
    gate.resolve();
    await assert.rejects(adding, isError('dimension_mismatch'));
    assert.deepEqual(await store.ids(), ['x']);
  });
});

describe('what a call is given is taken in when it is called', () => {
  test('by adding', async () => {
    const store = await VectorStore.create(embeddings);
    const texts = ['a'];
    const metadatas = [{ list: [1] }];
    const ids = ['1'];
    const adding = store.addTexts(texts, metadatas, { ids });
    texts[0] = 'changed';
    metadatas[0]?.list.push(2);
    ids[0] = 'changed';
    const document = { pageContent: 'b', id: '2', metadata: { at: 1 } };
    const documents = [document];
    const upserting = store.upsert(documents);
    document.pageContent = document.id = 'changed';
    document.metadata.at = 2;
    documents.pop();
    assert.deepEqual([await adding, await upserting], [['1'], ['2']]);
    assert.deepEqual(await store.getByIds(['1', '2']), [
      { pageContent: 'a', metadata: { list: [1] }, id: '1' },
      { pageContent: 'b', metadata: { at: 1 }, id: '2' },
    ]);
    assert.deepEqual(await store.getVectors(), new Float32Array([1, 0, 0, 0, 1, 0]));
  });

  test('by adding vectors, which may be given away at once', async () => {
    const store = await VectorStore.create();
    const flat = new Float32Array([1, 2]);
    const rows = [[3, 4], new Float32Array([5, 6])];
    const documents = rows.map(() => ({ pageContent: '' }));
    const adding = store.addVectors(flat, documents.slice(0, 1), { dim: 2 });
    structuredClone(flat, { transfer: [flat.buffer] });
    const more = store.addVectors(rows, documents);
    rows[0]?.fill(0);
    rows[1]?.fill(0);
    await Promise.all([adding, more]);
    assert.deepEqual(await store.getVectors(), new Float32Array([1, 2, 3, 4, 5, 6]));
  });

  test('by searching and deleting', async () => {
    const store = await abc();
    const query = new Float32Array([0, 1, 0]);
    const options = { k: 1, filter: { id: { $in: ['a', 'b'] } } };
    const searching = store.similaritySearchByVector(query, options);
    query.fill(9);
    options.k = 3;
    options.filter.id.$in.length = 0;
    const ids = ['c'];
    const deleting = store.delete({ ids });
    ids.push('a');
    assert.deepEqual(idsOf(await searching), ['b']);
    assert.equal(await deleting, 1);
  });

  test('and what it gives is the caller`s', async () => {
    const store = await abc();
    const [document] = await store.getByIds(['a']);
    document.metadata.id = document.pageContent = 'changed';
    (await store.getVectors()).fill(9);
    (await store.getVector('a')).fill(9);
    (await store.ids()).length = 0;
    const [[found]] = await store.similaritySearchWithScore('a', 1);
    assert.deepEqual(found, { pageContent: 'a', metadata: { id: 'a' }, id: 'a' });
    assert.deepEqual(await store.getVector('a'), new Float32Array([1, 0, 0]));
  });
});

describe('a filter function', () => {
  /** Every call that asks one. @type {[name: string, use: (store: any, filter: any) => Promise<any>][]} */
  const uses = [
    ['similaritySearch', (store, filter) => store.similaritySearch('a', 3, filter)],
    ['similaritySearchWithScore', (store, filter) => store.similaritySearchWithScore('a', { filter })],
    ['similaritySearchByVector', (store, filter) => store.similaritySearchByVector([1, 0, 0], 3, filter)],
    [
      'similaritySearchVectorWithScore',
      (store, filter) => store.similaritySearchVectorWithScore([1, 0, 0], 3, filter),
    ],
    ['similaritySearchBatch', (store, filter) => store.similaritySearchBatch(['a'], 3, filter)],
    [
      'similaritySearchWithRelevanceScores',
      (store, filter) => store.similaritySearchWithRelevanceScores('a', 3, filter),
    ],
    ['maxMarginalRelevanceSearch', (store, filter) => store.maxMarginalRelevanceSearch('a', { filter })],
    [
      'maxMarginalRelevanceSearchByVector',
      (store, filter) => store.maxMarginalRelevanceSearchByVector([1, 0, 0], { filter }),
    ],
    [
      'maxMarginalRelevanceSearchWithScoreByVector',
      (store, filter) => store.maxMarginalRelevanceSearchWithScoreByVector([1, 0, 0], { filter }),
    ],
    ['search', (store, filter) => store.search('a', 'similarity', { filter })],
    [
      'a retriever',
      async (store, filter) => (await store.asRetriever({ searchKwargs: { filter } })).invoke('a'),
    ],
    ['a call of a retriever', async (store, filter) => (await store.asRetriever()).invoke('a', { filter })],
    ['delete', (store, filter) => store.delete({ filter })],
  ];

  for (const [name, use] of uses) {
    test(`of ${name} that throws is the cause, and nothing is changed`, async () => {
      const store = await abc();
      for (const thrown of [new Thrown('oh'), 'oh', undefined, null]) {
        const filter = () => {
          throw thrown;
        };
        const check = isError('callable_filter_raised', /^the filter function failed: /, {
          cause: thrown ?? undefined,
        });
        await refused(
          store,
          () => use(store, filter),
          thrown === null ? isError('callable_filter_raised') : check,
        );
      }
    });

    test(`of ${name} answers true or false, at once`, async () => {
      const store = await abc();
      /** @type {[unknown, string][]} */
      const answers = [
        [undefined, 'undefined'],
        [null, 'null'],
        [1, 'the number 1'],
        ['true', 'the string "true"'],
        [{}, 'an object'],
        [new Boolean(true), 'an instance of Boolean'],
        [Promise.resolve(true), 'an instance of Promise'],
      ];
      for (const [answer, got] of answers) {
        const message = new RegExp(`^the filter function failed: expected true or false, got ${got}$`);
        await refused(store, () => use(store, () => answer), isError('callable_filter_raised', message));
      }
    });

    test(`of ${name} is asked for every document, with copies, and with no this`, async () => {
      const store = await abc();
      /** @type {unknown[]} */
      const seen = [];
      await use(
        store,
        /** @this {unknown} @param {any} document */ function (document) {
          assert.equal(this, undefined);
          seen.push(structuredClone(document));
          document.id = document.metadata.id = document.pageContent = 'changed';
          return false;
        },
      );
      assert.deepEqual(seen, await store.getByIds(['a', 'b', 'c']));
      assert.equal(seen.length, 3);
    });

    test(`of ${name} may call the store, which answers afterwards`, async () => {
      const store = await abc();
      /** @type {Promise<any>[]} */
      const inner = [];
      await use(store, (/** @type {any} */ { id }) => {
        if (inner.length === 0) {
          inner.push(
            store.count(),
            store.addVectors([[9, 9, 9]], [{ pageContent: 'd', id: 'd' }]),
            store.similaritySearchByVector([1, 0, 0], 1, () => true),
            store.delete({ filter: (/** @type {any} */ document) => document.id === 'c' }),
            store.mergeFrom(store).catch((/** @type {any} */ error) => error.code),
            store.serialize(),
            store.ids(),
          );
        }
        return id === 'a';
      });
      const answers = await Promise.all(inner);
      const deleting = name === 'delete';
      assert.equal(answers[0], deleting ? 2 : 3);
      assert.deepEqual(answers[1], ['d']);
      assert.deepEqual(idsOf(answers[2]), [deleting ? 'b' : 'a']);
      assert.equal(answers[3], 1);
      assert.equal(answers[4], 'merge_incompatible');
      assert.deepEqual(await (await VectorStore.deserialize(answers[5])).ids(), answers[6]);
      assert.deepEqual(answers[6], deleting ? ['b', 'd'] : ['a', 'b', 'd']);
    });

    test(`of ${name} may free the store: the call goes on`, async () => {
      const store = await abc();
      let asked = 0;
      const found = await use(store, () => {
        asked += 1;
        store.free();
        return true;
      });
      assert.equal(asked, 3);
      assert.equal(typeof found === 'number' ? found : found.flat(name.endsWith('Batch') ? 1 : 0).length, 3);
      await assert.rejects(store.count(), isError('store_freed'));
    });
  }

  test('may ask without end, one call within another', async () => {
    const store = await abc();
    let depth = 0;
    /** @type {(document: any) => boolean} */
    const filter = () => {
      if (depth < 200) {
        depth += 1;
        deepest = store.similaritySearchByVector([1, 0, 0], 3, filter);
      }
      return true;
    };
    let deepest = store.similaritySearchByVector([1, 0, 0], 3, filter);
    for (let before = -1; before !== depth;) {
      before = depth;
      await deepest;
    }
    assert.equal(depth, 200);
    assert.equal((await deepest).length, 3);
  });
});

describe('a relevance function', () => {
  const thrown = new Thrown('oh');
  /** @type {[what: string, answer: () => any, message: RegExp, more?: { cause: unknown }][]} */
  const failures = [
    [
      'throws',
      () => {
        throw thrown;
      },
      /^the relevance function failed: .*oh$/,
      { cause: thrown },
    ],
    ['answers nothing', () => undefined, /^the relevance function: expected a number, got undefined$/],
    ['answers a string', () => '1', /^the relevance function: expected a number, got the string "1"$/],
    ['answers a bigint', () => 1n, /^the relevance function: expected a number, got the bigint 1$/],
    [
      'answers a promise',
      async () => 1,
      /^the relevance function: expected a number, got an instance of Promise$/,
    ],
  ];
  for (const [what, answer, message, more] of failures) {
    test(`that ${what} fails the search, and no other`, async () => {
      const store = await abc(embeddings, { relevanceScoreFn: answer, onWarning() {} });
      const check = isError('relevance_score_fn_raised', message, more);
      const kwargs = { searchType: 'similarity_score_threshold', searchKwargs: { scoreThreshold: 0.5 } };
      const retriever = await store.asRetriever(kwargs);
      await refused(store, () => store.similaritySearchWithRelevanceScores('a'), check);
      await refused(
        store,
        () => store.search('a', 'similarity_score_threshold', { scoreThreshold: 0.5 }),
        check,
      );
      await refused(store, () => retriever.invoke('a'), check);
      assert.equal((await store.similaritySearch('a')).length, 3);
      assert.equal((await store.similaritySearchWithScore('a', { scoreThreshold: 5 })).length, 3);
    });
  }

  test('may call the store', async () => {
    /** @type {Promise<any>[]} */
    const inner = [];
    const store = await abc(embeddings, {
      relevanceScoreFn: (/** @type {number} */ score) => {
        inner.push(store.delete({ ids: ['a'], ignoreUnknown: true }));
        return 1 / (1 + score);
      },
    });
    const hits = await store.similaritySearchWithRelevanceScores('a');
    assert.deepEqual(
      hits.map((/** @type {any} */ [{ id }, score]) => [id, Math.fround(score)]),
      [
        ['a', 1],
        ['b', Math.fround(1 / 3)],
        ['c', Math.fround(1 / 3)],
      ],
    );
    assert.deepEqual(await Promise.all(inner), [1, 0, 0]);
  });
});

describe('a warning', () => {
  test('is told to the function of the store, which may throw', async () => {
    const thrown = new Thrown('no warnings');
    /** @type {any[]} */
    const told = [];
    const onWarning = (/** @type {unknown} */ warning) => void told.push(warning);
    const store = await abc(embeddings, { onWarning, relevanceScoreFn: () => 2 });
    assert.equal((await store.similaritySearchWithRelevanceScores('a')).length, 3);
    assert.deepEqual(
      told.map(({ code }) => code),
      ['relevance_out_of_range'],
    );
    assert.match(told[0].message, /between 0 and 1, got 2, 2, 2$/);
    const strict = await abc(embeddings, {
      relevanceScoreFn: () => 2,
      onWarning() {
        throw thrown;
      },
    });
    await rejectsWith(strict.similaritySearchWithRelevanceScores('a'), thrown);
    assert.equal(await strict.count(), 3);
  });

  test('goes to the console where there is no function', async (t) => {
    const warn = t.mock.method(console, 'warn', () => {});
    const store = await abc();
    const options = { scoreThreshold: 2 };
    assert.deepEqual(await store.similaritySearchWithRelevanceScores('a', options), []);
    const lines = warn.mock.calls.map(({ arguments: [line] }) => String(line));
    assert.ok(
      lines.some((line) => /^twindex: no_relevant_docs: .* 2$/.test(line)),
      lines.join('\n'),
    );
  });
});

describe('a getter that a call reads', () => {
  test('may call the store, which answers afterwards', async () => {
    const store = await abc();
    /** @type {Promise<any>[]} */
    const inner = [];
    const document = {
      get pageContent() {
        inner.push(store.count(), store.delete({ ids: ['a'], ignoreUnknown: true }));
        return 'x';
      },
    };
    await store.addVectors([[1, 1, 1]], [document]);
    assert.equal(await store.count(), 3);
    assert.deepEqual((await Promise.all(inner)).slice(0, 2), [3, 1]);
  });

  test('may free the store: the call goes on', async () => {
    const store = await abc();
    const document = {
      get pageContent() {
        store.free();
        return 'x';
      },
    };
    const adding = store.addVectors([[1, 1, 1]], [document], { ids: ['x'] });
    assert.deepEqual(await adding, ['x']);
    await assert.rejects(store.count(), isError('store_freed'));
  });
});
