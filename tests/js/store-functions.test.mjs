// @ts-check
/** The caller's functions: what they answer and throw, and that they may call the store again. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  Thrown,
  VectorStore,
  abc,
  embeddings,
  idsOf,
  isError,
  refused,
  rejectsWith,
} from './store/twindex.mjs';

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
