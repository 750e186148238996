// @ts-check
/**
 * Embeddings: asked in batches and in order; whatever goes wrong with them is told apart, and nothing is
 * added.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';

import {
  Thrown,
  VectorStore,
  abc,
  deferred,
  detached,
  embed,
  embeddings,
  holes,
  idsOf,
  isError,
  refused,
  rejectsWith,
  revoked,
  trapped,
  turn,
  unreadable,
} from './store/twindex.mjs';

/**
 * Every call that embeds texts.
 *
 * @type {[name: string, add: (store: any, texts: string[], options?: object) => Promise<string[]>][]}
 */
const ADDING = [
  ['addTexts', (store, texts, options) => store.addTexts(texts, null, options)],
  ['addDocuments', (store, texts, options) => store.addDocuments(documentsOf(texts), options)],
  ['upsert', (store, texts, options) => store.upsert(documentsOf(texts), options)],
  [
    'addDocuments of a retriever',
    async (store, texts, options) => (await store.asRetriever()).addDocuments(documentsOf(texts), options),
  ],
];

/**
 * Every call that embeds a query.
 *
 * @type {[name: string, search: (store: any, query: string) => Promise<any>][]}
 */
const SEARCHING = [
  ['similaritySearch', (store, query) => store.similaritySearch(query)],
  ['similaritySearchWithScore', (store, query) => store.similaritySearchWithScore(query)],
  ['similaritySearchWithRelevanceScores', (store, query) => store.similaritySearchWithRelevanceScores(query)],
  ['similaritySearchBatch', (store, query) => store.similaritySearchBatch([query])],
  ['maxMarginalRelevanceSearch', (store, query) => store.maxMarginalRelevanceSearch(query)],
  ['search', (store, query) => store.search(query, 'mmr')],
  ['invoke', async (store, query) => (await store.asRetriever()).invoke(query)],
];

/** @param {readonly string[]} texts */
const documentsOf = (texts) => texts.map((pageContent) => ({ pageContent }));

/** @param {number} count */
const textsOf = (count) => Array.from({ length: count }, (_, i) => 'a'.repeat(i + 1));

/** Embeddings that write down what they are asked. */
function recording() {
  /** @type {string[][]} */
  const batches = [];
  /** @type {string[]} */
  const queries = [];
  const recorder = {
    batches,
    queries,
    /** @param {string[]} texts */
    async embedDocuments(texts) {
      assert.equal(this, recorder);
      batches.push([...texts]);
      return texts.map(embed);
    },
    /** @param {string} query */
    async embedQuery(query) {
      assert.equal(this, recorder);
      queries.push(query);
      return embed(query);
    },
  };
  return recorder;
}

describe('texts', () => {
  for (const [name, add] of ADDING) {
    test(`of ${name} are embedded 64 at a time, in order, as a method of their object`, async () => {
      const recorder = recording();
      const store = await VectorStore.create(recorder);
      const texts = textsOf(130);
      const ids = await add(store, texts);
      assert.deepEqual(recorder.batches, [texts.slice(0, 64), texts.slice(64, 128), texts.slice(128)]);
      assert.deepEqual(await store.ids(), ids);
      assert.deepEqual(
        (await store.getByIds(ids)).map(({ pageContent }) => pageContent),
        texts,
      );
      assert.deepEqual(await store.getVectors(), Float32Array.from(texts.flatMap(embed)));
    });

    test(`of ${name} are embedded as many at a time as is asked`, async () => {
      for (const [batchSize, sizes] of /** @type {[number, number[]][]} */ ([
        [1, [1, 1, 1, 1, 1]],
        [2, [2, 2, 1]],
        [5, [5]],
        [Infinity, [5]],
      ])) {
        const recorder = recording();
        const store = await VectorStore.create(recorder);
        await add(store, textsOf(5), { batchSize });
        assert.deepEqual(
          recorder.batches.map(({ length }) => length),
          sizes,
        );
      }
    });
  }

  test('of a store that is made are embedded alike', async () => {
    for (const make of [
      (/** @type {any} */ recorder) => VectorStore.fromTexts(textsOf(5), null, recorder, { batchSize: 3 }),
      (/** @type {any} */ recorder) =>
        VectorStore.fromDocuments(documentsOf(textsOf(5)), recorder, { batchSize: 3 }),
    ]) {
      const recorder = recording();
      const store = await make(recorder);
      assert.deepEqual(recorder.batches, [textsOf(5).slice(0, 3), textsOf(5).slice(3)]);
      assert.equal(await store.count(), 5);
    }
  });

  test('that are none ask for nothing', async () => {
    const recorder = recording();
    const store = await VectorStore.create(recorder);
    for (const [, add] of ADDING) assert.deepEqual(await add(store, []), []);
    assert.deepEqual(await store.similaritySearchBatch([]), []);
    assert.deepEqual(recorder.batches, []);
    assert.equal((await store.info()).dim, null);
  });

  test('are embedded one batch after another', async () => {
    let running = 0;
    const store = await VectorStore.create({
      ...embeddings,
      async embedDocuments(texts) {
        assert.equal(++running, 1);
        await turn();
        running -= 1;
        return texts.map(embed);
      },
    });
    await store.addTexts(textsOf(5), null, { batchSize: 2 });
    assert.equal(await store.count(), 5);
  });

  test('are a list of the embedder`s own', async () => {
    const texts = ['a', 'b'];
    const store = await VectorStore.create({
      ...embeddings,
      embedDocuments(given) {
        const vectors = given.map(embed);
        given.splice(0, 2, 'changed');
        return vectors;
      },
    });
    await store.addTexts(texts, null, { ids: ['1', '2'] });
    assert.deepEqual(texts, ['a', 'b']);
    assert.deepEqual(
      (await store.getByIds(['1', '2'])).map(({ pageContent }) => pageContent),
      ['a', 'b'],
    );
  });

  test('are not embedded where the call is refused before', async () => {
    const recorder = recording();
    const store = await abc(recorder);
    const metadata = { at: new Date(0) };
    const check = (/** @type {string} */ code) => isError(code);
    await refused(
      store,
      () => store.addDocuments([{ pageContent: 'x', metadata }]),
      check('invalid_metadata'),
    );
    await refused(
      store,
      () => store.addTexts(['x', 'y'], null, { ids: ['z', 'z'] }),
      check('duplicate_ids_in_call'),
    );
    await refused(store, () => store.addTexts(['x'], null, { ids: [1] }), check('invalid_argument'));
    await refused(store, () => store.similaritySearch('x', 0.5), check('invalid_option'));
    assert.deepEqual([recorder.batches, recorder.queries], [[], []]);
  });
});

describe('queries', () => {
  for (const [name, search] of SEARCHING) {
    test(`of ${name} are embedded as queries`, async () => {
      const recorder = recording();
      const store = await abc(recorder);
      await search(store, 'b');
      assert.deepEqual([recorder.queries, recorder.batches], [['b'], []]);
    });
  }

  test('of a batch are embedded in order, and answered in order', async () => {
    const recorder = recording();
    const store = await abc(recorder);
    const found = await store.similaritySearchBatch(['c', 'a', 'c'], 1);
    assert.deepEqual(recorder.queries, ['c', 'a', 'c']);
    assert.deepEqual(
      found.map((/** @type {any} */ [[{ id }, score]]) => [id, score]),
      [
        ['c', 0],
        ['a', 0],
        ['c', 0],
      ],
    );
  });
});

describe('an answer', () => {
  const same = (/** @type {any} */ value) => value;
  /** @type {[what: string, outer: (answer: any) => any, inner: (vector: number[]) => any][]} */
  const answers = [
    ['at once', same, same],
    ['as a promise', async (answer) => answer, same],
    [
      'as a promise of another realm',
      (answer) => runInNewContext('Promise.resolve(answer)', { answer }),
      same,
    ],
    [
      'as something with `then`',
      (answer) => ({ then: (/** @type {any} */ resolve) => resolve(answer) }),
      same,
    ],
    ['as 32-bit numbers', same, (vector) => new Float32Array(vector)],
    ['as 64-bit numbers', same, (vector) => new Float64Array(vector)],
    ['frozen', Object.freeze, Object.freeze],
  ];
  for (const [what, outer, inner] of answers) {
    test(`comes ${what}`, async () => {
      const store = await VectorStore.create({
        embedDocuments: (texts) => outer(texts.map((text) => inner(embed(text)))),
        embedQuery: (text) => outer(inner(embed(text))),
      });
      await store.addTexts(['a', 'b', 'c'], null, { ids: ['a', 'b', 'c'] });
      assert.deepEqual(await store.getVectors(), new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]));
      assert.deepEqual(idsOf(await store.similaritySearch('c', 1)), ['c']);
    });
  }

  const list = 'a list of vectors';
  const vector = 'a vector: a Float32Array or a list of numbers';
  /**
   * What is wrong with the answer to two texts.
   *
   * @type {[what: string, make: () => any, code: string, message: RegExp][]}
   */
  const wrong = [
    [
      'undefined',
      () => undefined,
      'embeddings_malformed_answer',
      new RegExp(`^the embeddings' answer: expected ${list}, got undefined$`),
    ],
    [
      'a string',
      () => 'vectors',
      'embeddings_malformed_answer',
      new RegExp(`expected ${list}, got the string "vectors"$`),
    ],
    [
      'an object',
      () => ({ data: [] }),
      'embeddings_malformed_answer',
      new RegExp(`expected ${list}, got an object$`),
    ],
    [
      'one flat array',
      () => new Float32Array(6),
      'embeddings_malformed_answer',
      new RegExp(`expected ${list}, got an instance of Float32Array$`),
    ],
    [
      'too few',
      () => [[1, 0, 0]],
      'embeddings_wrong_count',
      /^expected 2 vectors, one for each text, got 1$/,
    ],
    [
      'too many',
      () => [[1], [2], [3]],
      'embeddings_wrong_count',
      /^expected 2 vectors, one for each text, got 3$/,
    ],
    ['none', () => [], 'embeddings_wrong_count', /^expected 2 vectors, one for each text, got 0$/],
    [
      'numbers',
      () => [1, 2],
      'embeddings_malformed_answer',
      new RegExp(`answer\\[0\\]: expected ${vector}, got the number 1$`),
    ],
    [
      'holes',
      () => holes(2, [1, 0, 0]),
      'embeddings_malformed_answer',
      new RegExp(`answer\\[1\\]: expected ${vector}, got nothing, a hole in the list$`),
    ],
    [
      'strings in a vector',
      () => [
        [1, 0, 0],
        [1, '0', 0],
      ],
      'embeddings_malformed_answer',
      /answer\[1\]\[1\]: expected a number, got the string "0"$/,
    ],
    [
      'holes in a vector',
      () => [holes(3), [1, 0, 0]],
      'embeddings_malformed_answer',
      /answer\[0\]\[0\]: expected a number, got undefined$/,
    ],
    [
      'promises of vectors',
      () => [Promise.resolve([1, 0, 0]), [1, 0, 0]],
      'embeddings_malformed_answer',
      /answer\[0\]: expected a vector: .*, got an instance of Promise$/,
    ],
    [
      'detached memory',
      () => [[1, 0, 0], detached(new Float32Array(3))],
      'embeddings_malformed_answer',
      /answer\[1\]: expected a vector/,
    ],
    [
      'NaN',
      () => [
        [1, 0, 0],
        [0, 0, NaN],
      ],
      'not_finite',
      /^vector 1 is not finite at component 2$/,
    ],
    [
      'unlike lengths',
      () => [
        [1, 0, 0],
        [1, 0],
      ],
      'dimension_mismatch',
      /^vector 1 has 2 numbers, the store's dimension is 3$/,
    ],
    [
      'other lengths than the store`s',
      () => [
        [1, 0],
        [1, 0],
      ],
      'dimension_mismatch',
      /^vector 0 has 2 numbers, the store's dimension is 3$/,
    ],
    [
      'a list that cannot be read',
      () =>
        unreadable(
          [
            [1, 0, 0],
            [1, 0, 0],
          ],
          0,
        ),
      'embeddings_malformed_answer',
      /cannot be read/,
    ],
    [
      'a vector that cannot be read',
      () => [[1, 0, 0], trapped([1, 0, 0], 'get')],
      'embeddings_malformed_answer',
      /cannot be read/,
    ],
    ['a revoked vector', () => [[1, 0, 0], revoked([])], 'embeddings_malformed_answer', /./],
  ];
  for (const [name, add] of ADDING) {
    for (const [what, make, code, message] of wrong) {
      test(`to ${name} is not ${what}`, async () => {
        const store = await abc({ ...embeddings, embedDocuments: async () => make() });
        await refused(store, () => add(store, ['x', 'y']), isError(code, message));
      });
    }
  }

  test('that does not tell its length is malformed too', async () => {
    const answer = new Proxy([[1, 0, 0]], {
      get(target, key) {
        if (key === 'then') return undefined;
        throw new Thrown('private');
      },
    });
    const store = await abc({ embedDocuments: async () => answer, embedQuery: async () => answer });
    const check = isError('embeddings_malformed_answer', /private/);
    await refused(store, () => store.addTexts(['x']), check);
    await refused(store, () => store.similaritySearch('x'), check);
  });

  /** @type {[what: string, make: () => any, code: string, message: RegExp][]} */
  const wrongOnes = [
    [
      'undefined',
      () => undefined,
      'embeddings_malformed_answer',
      new RegExp(`^the embeddings' answer: expected ${vector}, got undefined$`),
    ],
    [
      'a list of vectors',
      () => [[1, 0, 0]],
      'embeddings_malformed_answer',
      /answer\[0\]: expected a number, got a list of 3$/,
    ],
    ['a string', () => '1,0,0', 'embeddings_malformed_answer', /got the string "1,0,0"$/],
    [
      'strings',
      () => ['1', 0, 0],
      'embeddings_malformed_answer',
      /answer\[0\]: expected a number, got the string "1"$/,
    ],
    ['no numbers', () => [], 'empty_vector', /./],
    [
      'other lengths',
      () => [1, 0],
      'dimension_mismatch',
      /^vector 0 has 2 numbers, the store's dimension is 3$/,
    ],
    ['NaN', () => [1, NaN, 0], 'not_finite', /component 1$/],
    ['detached memory', () => detached(new Float32Array(3)), 'embeddings_malformed_answer', /./],
    [
      'a vector that cannot be read',
      () => unreadable([1, 0, 0], 1),
      'embeddings_malformed_answer',
      /cannot be read/,
    ],
  ];
  for (const [name, search] of SEARCHING) {
    for (const [what, make, code, message] of wrongOnes) {
      test(`to ${name} is not ${what}`, async () => {
        const store = await abc({ ...embeddings, embedQuery: async () => make() });
        await refused(store, () => search(store, 'x'), isError(code, message));
      });
    }
  }

  test('of a later batch has the lengths of the first', async () => {
    let batch = 0;
    const store = await VectorStore.create({
      ...embeddings,
      embedDocuments: (texts) => texts.map(() => (++batch > 2 ? [1, 2, 3] : [1, 2])),
    });
    const check = isError(
      'dimension_mismatch',
      /^vector 0 has 3 numbers.* is 2 \(in a batch that starts at text 2\)$/,
    );
    await refused(store, () => store.addTexts(['1', '2', '3', '4'], null, { batchSize: 2 }), check);
    assert.equal((await store.info()).dim, null);
  });

  test('is copied when it comes', async () => {
    const shared = new Float32Array(3);
    const store = await VectorStore.create({
      ...embeddings,
      embedDocuments(texts) {
        shared.set(embed(texts[0] ?? ''));
        return [shared];
      },
    });
    await store.addTexts(['a', 'b', 'c'], null, { batchSize: 1 });
    shared.fill(9);
    assert.deepEqual(await store.getVectors(), new Float32Array([1, 0, 0, 0, 1, 0, 0, 0, 1]));
  });
});

describe('what an embedder throws', () => {
  const thrown = new Thrown('over quota');
  /** @type {[what: string, fail: () => any, cause: unknown, message: RegExp][]} */
  const failures = [
    [
      'at once',
      () => {
        throw thrown;
      },
      thrown,
      /^the embeddings failed: .*over quota$/,
    ],
    ['as a rejection', () => Promise.reject(thrown), thrown, /^the embeddings failed: .*over quota$/],
    ['as a string', () => Promise.reject('busy'), 'busy', /^the embeddings failed: the string "busy"$/],
    ['as nothing', () => Promise.reject(), undefined, /^the embeddings failed: undefined$/],
    [
      'with its `then`',
      () => unreadable({}, 'then', thrown),
      thrown,
      /^the embeddings failed: .*over quota$/,
    ],
    [
      'with the constructor of its promise',
      () => unreadable(Promise.resolve([[1, 0, 0]]), 'constructor', thrown),
      thrown,
      /^the embeddings failed: .*over quota$/,
    ],
  ];
  for (const [what, fail, cause, message] of failures) {
    test(`${what} is the cause, and nothing is added`, async () => {
      const store = await abc({ embedDocuments: fail, embedQuery: fail });
      const check = isError('embeddings_custom', message, { cause });
      for (const [, add] of ADDING) await refused(store, () => add(store, ['x']), check);
      for (const [, search] of SEARCHING) await refused(store, () => search(store, 'x'), check);
      await assert.rejects(
        VectorStore.fromTexts(['x'], null, { embedDocuments: fail, embedQuery: fail }),
        check,
      );
    });
  }

  test('in a later batch leaves nothing of the earlier ones', async () => {
    let batches = 0;
    const store = await abc({
      ...embeddings,
      embedDocuments: async (/** @type {string[]} */ texts) => {
        if (++batches === 3) throw thrown;
        return texts.map(embed);
      },
    });
    const check = isError('embeddings_custom', /over quota/, { cause: thrown });
    await refused(store, () => store.addTexts(textsOf(5), null, { batchSize: 2 }), check);
    assert.equal(batches, 3);
    batches = 3;
    assert.equal((await store.addTexts(textsOf(5), null, { batchSize: 2 })).length, 5);
  });
});

describe('progress', () => {
  test('is told after each batch, and awaited', async () => {
    const store = await VectorStore.create(embeddings);
    /** @type {unknown[]} */
    const told = [];
    let waiting = 0;
    const onProgress = async (/** @type {any} */ progress) => {
      assert.equal(waiting++, 0);
      told.push(progress);
      await turn();
      waiting -= 1;
    };
    for (const [, add] of ADDING) await add(store, textsOf(5), { batchSize: 2, onProgress });
    const once = [2, 4, 5].map((done) => ({ done, total: 5 }));
    assert.deepEqual(told, [...once, ...once, ...once, ...once]);
    await store.addTexts([], null, { onProgress });
    assert.equal(told.length, 12);
  });

  test('of a store that is made is told too', async () => {
    /** @type {unknown[]} */
    const told = [];
    await VectorStore.fromTexts(['a'], null, embeddings, {
      onProgress: (progress) => void told.push(progress),
    });
    assert.deepEqual(told, [{ done: 1, total: 1 }]);
  });

  const thrown = new Thrown('stop');
  /** @type {[what: string, fail: () => any][]} */
  const failures = [
    [
      'throws',
      () => {
        throw thrown;
      },
    ],
    ['rejects', () => Promise.reject(thrown)],
    ['rejects in another realm', () => runInNewContext('Promise.reject(thrown)', { thrown })],
    [
      'rejects by a `then`',
      () => ({ then: (/** @type {any} */ _, /** @type {any} */ reject) => reject(thrown) }),
    ],
  ];
  for (const [what, fail] of failures) {
    test(`that ${what} ends the call with that very value, and nothing is added`, async () => {
      for (const at of [2, 4, 5]) {
        const store = await abc();
        const before = await store.serialize();
        const onProgress = (/** @type {any} */ { done }) => (done === at ? fail() : undefined);
        await rejectsWith(store.addTexts(textsOf(5), null, { batchSize: 2, onProgress }), thrown);
        assert.deepEqual(await store.serialize(), before);
      }
    });
  }

  test('is told when all is embedded and nothing added yet', async () => {
    const store = await abc();
    const gate = deferred();
    const adding = store.addTexts(['x'], null, { onProgress: () => gate.promise });
    await turn();
    assert.equal(await store.count(), 3);
    gate.resolve();
    await adding;
    assert.equal(await store.count(), 4);
  });
});

test('a store without embeddings takes vectors only', async () => {
  const bytes = await (await abc()).serialize();
  const stores = [
    await abc(null),
    await VectorStore.deserialize(bytes),
    await VectorStore.deserialize(bytes, null),
  ];
  const check = isError('no_embeddings', /^the store was made without embeddings: it takes vectors only$/);
  for (const store of stores) {
    for (const [, add] of ADDING) await refused(store, () => add(store, ['x']), check);
    for (const [, search] of SEARCHING) await refused(store, () => search(store, 'x'), check);
    assert.deepEqual(idsOf(await store.similaritySearchByVector([1, 0, 0], 1)), ['a']);
  }
});
