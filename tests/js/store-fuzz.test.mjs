// @ts-check
/**
 * Calls at random with values at random: whatever is given, a call answers or rejects with an error that has
 * a code, and the store stays
 * one. `TWINDEX_FUZZ_SEED` repeats a run, `TWINDEX_FUZZ_CALLS` makes it longer.
 */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { Junk } from './store/junk.mjs';
import { Thrown, VectorStore, VectorStoreError, abc, idsOf } from './store/twindex.mjs';

const seed = Number(process.env.TWINDEX_FUZZ_SEED ?? Date.now() % 1e9);
const CALLS = Number(process.env.TWINDEX_FUZZ_CALLS ?? 4000);

/** @typedef {(junk: Junk) => unknown} Make */

const OF = {
  any: (/** @type {Junk} */ junk) => junk.any(3),
  texts: (/** @type {Junk} */ junk) => junk.list(() => junk.one(['a', 'b', 'ab', 'cc'])),
  metadatas: (/** @type {Junk} */ junk) =>
    junk.one([() => null, () => junk.json(2), () => junk.list(() => junk.json(2))])(),
  documents: (/** @type {Junk} */ junk) => junk.list(() => junk.document()),
  vectors: (/** @type {Junk} */ junk) => junk.vectors(),
  vector: (/** @type {Junk} */ junk) => junk.numbers(),
  query: (/** @type {Junk} */ junk) => junk.one(['a', 'b', 'abc']),
  queries: (/** @type {Junk} */ junk) => junk.one([() => junk.vectors(), () => junk.list(() => 'a')])(),
  options: (/** @type {Junk} */ junk) => junk.options(),
  k: (/** @type {Junk} */ junk) => junk.one([() => junk.below(6), () => junk.options()])(),
  filter: (/** @type {Junk} */ junk) => junk.one([() => undefined, () => junk.filter()])(),
  ids: (/** @type {Junk} */ junk) => junk.list(() => junk.id()),
  embeddings: (/** @type {Junk} */ junk) => junk.embeddings(),
  type: (/** @type {Junk} */ junk) => junk.one(['similarity', 'mmr', 'similarity_score_threshold']),
};

/** Every method, and what it takes. @type {[name: string, makes: Make[]][]} */
const METHODS = [
  ['addTexts', [OF.texts, OF.metadatas, OF.options]],
  ['addDocuments', [OF.documents, OF.options]],
  ['addVectors', [OF.vectors, OF.documents, OF.options]],
  ['upsert', [OF.documents, OF.options]],
  ['upsertVectors', [OF.vectors, OF.documents, OF.options]],
  ['similaritySearch', [OF.query, OF.k, OF.filter]],
  ['similaritySearchWithScore', [OF.query, OF.k, OF.filter]],
  ['similaritySearchByVector', [OF.vector, OF.k, OF.filter]],
  ['similaritySearchVectorWithScore', [OF.vector, OF.k, OF.filter]],
  ['similaritySearchBatch', [OF.queries, OF.k, OF.filter]],
  ['similaritySearchWithRelevanceScores', [OF.query, OF.k, OF.filter]],
  ['maxMarginalRelevanceSearch', [OF.query, OF.k]],
  ['maxMarginalRelevanceSearchByVector', [OF.vector, OF.k]],
  ['maxMarginalRelevanceSearchWithScoreByVector', [OF.vector, OF.k]],
  ['search', [OF.query, OF.type, OF.options]],
  ['asRetriever', [(junk) => ({ searchType: OF.type(junk), searchKwargs: OF.options(junk) })]],
  [
    'delete',
    [
      (junk) =>
        junk.one([
          () => ({ ids: OF.ids(junk), ignoreUnknown: true }),
          () => ({ filter: { a: junk.json(1) } }),
        ])(),
    ],
  ],
  ['getByIds', [OF.ids]],
  ['mergeFrom', [OF.any]],
  ['serialize', []],
  ['count', []],
  ['ids', []],
  ['getVector', [(junk) => junk.id()]],
  ['getVectors', []],
  ['info', []],
];

/**
 * @type {[name: 'create' | 'fromTexts' | 'fromDocuments' | 'fromVectors' | 'deserialize', makes: Make[]][]}
 */
const MAKERS = [
  ['create', [OF.embeddings, OF.options]],
  ['fromTexts', [OF.texts, OF.metadatas, OF.embeddings, OF.options]],
  ['fromDocuments', [OF.documents, OF.embeddings, OF.options]],
  ['fromVectors', [OF.vectors, OF.documents, OF.embeddings, OF.options]],
  ['deserialize', [OF.any, OF.embeddings, OF.options]],
];

/**
 * Arguments, now and then one of another kind, one more or one less.
 *
 * @param {Junk} junk
 * @param {Make[]} makes
 */
function argumentsOf(junk, makes) {
  const args = makes.map((make) => (junk.below(5) === 0 ? junk.any(3) : make(junk)));
  if (junk.below(10) === 0) args.pop();
  if (junk.below(10) === 0) args.push(junk.any(2));
  return args;
}

/** @param {string} what @param {unknown} promise */
async function checked(what, promise) {
  assert.ok(promise instanceof Promise, `${what} gave no promise`);
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Thrown) return undefined;
    assert.ok(error instanceof VectorStoreError, `${what} rejected with ${inspect(error)}`);
    assert.notEqual(error.code, 'internal_error', `${what}: ${error.message}`);
    assert.match(error.code, /^[a-z]+(?:_[a-z]+)*$/);
    assert.notEqual(error.message, '');
    return undefined;
  }
}

/** @param {any} store */
async function isWhole(store) {
  const [ids, count, bytes, vectors, info] = await Promise.all([
    store.ids(),
    store.count(),
    store.serialize(),
    store.getVectors(),
    store.info(),
  ]);
  assert.equal(ids.length, count);
  assert.equal(new Set(ids).size, count);
  assert.equal(vectors.length, count * (info.dim ?? 0));
  assert.deepEqual(idsOf(await store.getByIds(ids)), ids);
  const copy = await VectorStore.deserialize(bytes);
  assert.deepEqual(await copy.serialize(), bytes);
  assert.deepEqual(await copy.getByIds(ids), await store.getByIds(ids));
  if (info.dim === 3) assert.equal((await copy.similaritySearchByVector([1, 0, 0], Infinity)).length, count);
  copy.free();
}

test(`${CALLS} calls at random, of the seed ${seed}`, async (t) => {
  t.mock.method(console, 'warn', () => {});
  const junk = new Junk(seed);
  let store = await abc(junk.embeddings.call(new Junk(1)));
  const directory = await mkdtemp(join(tmpdir(), 'twindex-fuzz-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const outcomes = { answered: 0, refused: 0 };

  for (let call = 0; call < CALLS; call++) {
    const what = `call ${call} of the seed ${seed}`;
    const [name, makes] = junk.one(METHODS);
    const args = argumentsOf(junk, makes);
    const running = [checked(`${what}, ${name}(${inspectSafely(args)})`, store[name](...args))];
    if (junk.below(4) === 0) {
      const [maker, takes] = junk.one(MAKERS);
      const given = argumentsOf(junk, takes);
      running.push(
        checked(
          `${what}, ${maker}(${inspectSafely(given)})`,
          /** @type {any} */ (VectorStore)[maker](...given),
        ),
      );
    }
    if (junk.below(20) === 0) {
      const name = junk.any(1);
      running.push(checked(`${what}, save`, store.save(name, { directory })));
      running.push(checked(`${what}, load`, VectorStore.load(name, junk.embeddings(), { directory })));
      running.push(checked(`${what}, remove`, VectorStore.remove(name, { directory })));
    }
    for (const answer of await Promise.all(running)) {
      outcomes[answer === undefined ? 'refused' : 'answered'] += 1;
      if (typeof answer?.invoke === 'function') {
        await checked(`${what}, invoke`, answer.invoke(...argumentsOf(junk, [OF.query, OF.options])));
        await checked(
          `${what}, addDocuments`,
          answer.addDocuments(...argumentsOf(junk, [OF.documents, OF.options])),
        );
      }
      if (answer instanceof VectorStore) {
        await checked(`${what}, mergeFrom`, store.mergeFrom(answer));
        answer.free();
      }
    }
    if (call % 100 === 0) {
      await isWhole(store);
      if ((await store.count()) > 200) {
        store.free();
        store = await abc(junk.embeddings.call(new Junk(call)));
      }
    }
  }
  await isWhole(store);
  assert.ok(outcomes.answered > CALLS / 5, `${outcomes.answered} of ${CALLS} calls answered`);
  assert.ok(outcomes.refused > CALLS / 5, `${outcomes.refused} of ${CALLS} calls refused`);
});

/** @param {unknown[]} args */
function inspectSafely(args) {
  return args
    .map((arg) => {
      try {
        return inspect(arg, {
          depth: 4,
          maxArrayLength: 6,
          maxStringLength: 40,
          breakLength: Infinity,
          getters: false,
        });
      } catch {
        return 'what cannot be shown';
      }
    })
    .join(', ');
}
