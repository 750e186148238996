// @ts-check
/** `twindex/langchain` in LangChain.js: in place of any other store, from ES modules and from CommonJS. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { project, worlds } from './langchain.project.mjs';

/** @typedef {import('../../wasm/js/index.js').DistanceStrategy} DistanceStrategy */
/** @typedef {import('../../wasm/js/langchain.js').TwindexVectorStore} Store */
/** @typedef {import('@langchain/core/documents').DocumentInterface} DocumentInterface */

const TEXTS = ['a spoon for soup', 'a fork', 'soup of the day', 'forks and spoons', 'one fine day'];
const IDS = ['spoon', 'fork', 'soup', 'both', 'day'];
const METADATAS = [
  { kind: 'tool', price: 3 },
  { kind: 'tool', price: 2.5 },
  { kind: 'dish', price: 7 },
  { kind: 'tool', price: 5 },
  { kind: 'time' },
];

/** How often a text has each of four letters. @param {string} text */
const embed = (text) => ['o', 's', 'f', 'd'].map((letter) => text.split(letter).length - 1);

/** @param {readonly DocumentInterface[]} documents */
const idsOf = (documents) => documents.map(({ id }) => id);

/** @param {readonly [DocumentInterface, number][]} hits */
const scoresOf = (hits) => hits.map(([{ id }, score]) => [id, score]);

/** The bytes of the examples in the description of the format, which the native library's tests check. */
const EXAMPLES = readFileSync(new URL('../../core/FORMAT.md', import.meta.url), 'utf8')
  .split('```text\n')
  .slice(1)
  .map((part) => Buffer.from(part.slice(0, part.indexOf('```')).replace(/^[0-9a-f]{4} |\s/gm, ''), 'hex'));

/** @param {import('node:test').TestContext} t */
async function newFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), 'twindex-langchain-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

for (const [way, world] of Object.entries(worlds)) {
  const { Document, Embeddings, LangChainStore, RunnableSequence, TwindexVectorStore, VectorStore, VectorStoreError } = world;

  class Letters extends Embeddings {
    /** @type {string[][]} */
    batches = [];
    /** @type {Error | undefined} */
    failure;

    constructor() {
      super({});
    }

    /** @override @param {string[]} texts */
    async embedDocuments(texts) {
      this.batches.push(texts);
      if (this.failure) throw this.failure;
      return texts.map(embed);
    }

    /** @override @param {string} text */
    async embedQuery(text) {
      return embed(text);
    }
  }

  const documents = () => TEXTS.map((pageContent, i) => new Document({ pageContent, metadata: METADATAS[i] ?? {}, id: IDS[i] ?? '' }));

  /** @param {import('../../wasm/js/langchain.js').TwindexFromArgs} [args] */
  const filled = (args) => TwindexVectorStore.fromDocuments(documents(), new Letters(), args);

  /**
   * @param {string} code
   * @param {{ message?: RegExp, cause?: unknown }} [more]
   */
  const isError = (code, { message = /./, ...more } = {}) => (/** @type {unknown} */ error) => {
    assert.ok(error instanceof VectorStoreError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if ('cause' in more) assert.equal(error.cause, more.cause);
    return true;
  };

  describe(way, () => {
    test('it is a store of LangChain, of the very package that the program has', async () => {
      const store = new TwindexVectorStore(new Letters());
      assert.ok(store instanceof LangChainStore);
      assert.ok(store instanceof world.SaveableVectorStore);
      assert.equal(store._vectorstoreType(), 'twindex');
      assert.deepEqual(JSON.parse(JSON.stringify(store)), {
        lc: 1,
        type: 'not_implemented',
        id: ['langchain', 'vectorstores', 'twindex', 'TwindexVectorStore'],
      });
    });

    test('a new store can be used at once', async () => {
      const store = new TwindexVectorStore(new Letters(), { distanceStrategy: 'ip' });
      assert.deepEqual(await store.similaritySearch('a spoon'), []);
      assert.deepEqual(await store.addDocuments(documents()), IDS);
      assert.deepEqual(scoresOf(await store.similaritySearchWithScore('a spoon', 2)), [['spoon', 10], ['both', 9]]);
    });

    test('what a call is given is taken in when it is called', async () => {
      const store = await TwindexVectorStore.fromExistingIndex(new Letters());
      const given = documents();
      const added = store.addDocuments(given);
      given.pop();
      assert.deepEqual(await added, IDS);
    });

    test("documents come back as LangChain's own, with their ids, as copies", async () => {
      const store = await filled();
      const [found] = await store.similaritySearch('a fork', 1);
      assert.ok(found instanceof Document);
      assert.deepEqual({ ...found }, { pageContent: 'a fork', metadata: METADATAS[1], id: 'fork' });
      found.metadata.price = 0;
      const [again] = await store.getByIds(['fork']);
      assert.ok(again instanceof Document);
      assert.deepEqual(again.metadata, METADATAS[1]);
      const [[scored] = []] = await store.similaritySearchWithScore('a fork', 1);
      const [[byVector] = []] = await store.similaritySearchVectorWithScore(embed('a fork'), 1);
      const [diverse] = await store.maxMarginalRelevanceSearch('a fork', { k: 1 });
      for (const document of [scored, byVector, diverse]) {
        assert.ok(document instanceof Document);
        assert.deepEqual(document, again);
      }
    });

    test('hits, order and raw scores are those of the store behind it', async () => {
      for (const distanceStrategy of /** @type {DistanceStrategy[]} */ (['l2', 'ip', 'cosine'])) {
        const store = await filled({ distanceStrategy });
        const plain = await VectorStore.fromDocuments(documents(), new Letters(), { distanceStrategy });
        const filter = { kind: 'tool' };
        assert.deepEqual(
          scoresOf(await store.similaritySearchWithScore('a spoon', 3)),
          scoresOf(await plain.similaritySearchWithScore('a spoon', 3)),
        );
        assert.deepEqual(
          scoresOf(await store.similaritySearchVectorWithScore([1, 2, 3, 4], 3, filter)),
          scoresOf(await plain.similaritySearchVectorWithScore([1, 2, 3, 4], 3, filter)),
        );
        const mmr = { k: 3, fetchK: 4, lambda: 0.1, filter };
        assert.deepEqual(
          idsOf(await store.maxMarginalRelevanceSearch('a spoon', mmr)),
          idsOf(await plain.maxMarginalRelevanceSearch('a spoon', mmr)),
        );
        assert.deepEqual(await store.serialize(), await plain.serialize());
      }
      const scores = (await (await filled()).similaritySearchWithScore('a fork')).map(([, score]) => score);
      assert.deepEqual(scores, [0, 1, 3, 13]);
    });

    test('filters, objects or functions, leave as many hits as match', async () => {
      const store = await filled();
      const dear = { $or: [{ price: { $gte: 5 } }, { kind: 'time' }] };
      assert.deepEqual(idsOf(await store.similaritySearch('a fork', 3, dear)), ['day', 'soup', 'both']);
      /** @param {DocumentInterface} document */
      const isDear = ({ metadata }) => metadata['price'] >= 5 || metadata['kind'] === 'time';
      assert.deepEqual(idsOf(await store.similaritySearch('a fork', 3, isDear)), ['day', 'soup', 'both']);
      assert.deepEqual(idsOf(await store.similaritySearch('a fork', { k: 2, filter: isDear })), ['day', 'soup']);
      const mmr = await store.maxMarginalRelevanceSearch('a fork', { k: 5, fetchK: 5, filter: isDear });
      assert.deepEqual(idsOf(mmr).sort(), ['both', 'day', 'soup']);
      await assert.rejects(store.similaritySearch('a fork', 3, { price: { $near: 5 } }), isError('unsupported_filter_operator'));
    });

    test('a retriever finds by similarity and by maximal marginal relevance, with both kinds of filters', async () => {
      const store = await filled();
      /** @param {DocumentInterface} document */
      const isTool = ({ metadata }) => metadata['kind'] === 'tool';
      for (const filter of [{ kind: 'tool' }, isTool]) {
        const similar = await store.asRetriever({ k: 2, filter }).invoke('a spoon for soup');
        assert.deepEqual(idsOf(similar), ['spoon', 'both']);
        assert.ok(similar.every((document) => document instanceof Document));
        const searchKwargs = { fetchK: 3, lambda: 0 };
        const diverse = store.asRetriever({ k: 2, filter, searchType: 'mmr', searchKwargs });
        assert.deepEqual(idsOf(await diverse.invoke('a spoon for soup')), ['spoon', 'fork']);
      }
      assert.equal((await store.asRetriever().invoke('a spoon')).length, 4);
      assert.deepEqual(idsOf(await store.asRetriever(1).invoke('a fork')), ['fork']);
      assert.deepEqual(idsOf(await store.asRetriever(1, { kind: 'dish' }).invoke('a fork')), ['soup']);
    });

    test('a retriever adds documents, runs in a sequence, and tells its callbacks', async () => {
      const store = await filled();
      /** @type {unknown[]} */
      const told = [];
      const callbacks = [
        {
          /** @param {DocumentInterface[]} found @param {string} _run @param {string} [_parent] @param {string[]} [tags] */
          handleRetrieverEnd: (found, _run, _parent, tags) => void told.push([idsOf(found), tags]),
        },
      ];
      const retriever = store.asRetriever({ k: 1, callbacks, tags: ['mine'] });
      const added = await retriever.addDocuments([new Document({ pageContent: 'a knife', id: 'knife' })], { batchSize: 1 });
      assert.deepEqual(added, ['knife']);
      const chain = RunnableSequence.from([
        retriever,
        (/** @type {DocumentInterface[]} */ found) => found.map(({ pageContent }) => pageContent).join(),
      ]);
      assert.equal(await chain.invoke('one fine day'), 'one fine day');
      assert.deepEqual(await chain.batch(['a knife', 'soup of the day']), ['a knife', 'soup of the day']);
      assert.deepEqual(told[0], [['day'], ['mine', 'twindex']]);
      assert.equal(told.length, 3);
    });

    test('ids are those given beside the documents, those of the documents, or new ones', async () => {
      const store = new TwindexVectorStore(new Letters());
      const [first, second] = documents();
      assert.ok(first && second);
      assert.deepEqual(await store.addDocuments([first], { ids: ['a'] }), ['a']);
      assert.deepEqual(await store.addDocuments([first, second]), ['spoon', 'fork']);
      const [made] = await store.addDocuments([{ pageContent: 'x', metadata: {} }]);
      assert.match(made ?? '', /^[0-9a-f-]{14}4[0-9a-f-]{21}$/);
      assert.deepEqual(idsOf(await store.getByIds(['fork', 'nobody', 'a'])), ['fork', 'a']);
    });

    test('an id that is there is an error, or is replaced by upsert', async () => {
      const store = await filled();
      const [spoon] = documents();
      assert.ok(spoon);
      await assert.rejects(store.addDocuments([spoon]), isError('id_already_exists'));
      await assert.rejects(store.addVectors([[1, 1, 1, 1]], [spoon]), isError('id_already_exists'));
      spoon.metadata = { new: 1 };
      assert.deepEqual(await store.addDocuments([spoon], { upsert: true }), ['spoon']);
      assert.deepEqual((await store.getByIds(['spoon']))[0]?.metadata, { new: 1 });
      spoon.metadata = { new: 2 };
      assert.deepEqual(await store.addVectors([[9, 9, 9, 9]], [spoon], { upsert: true }), ['spoon']);
      assert.deepEqual(scoresOf(await store.similaritySearchVectorWithScore([9, 9, 9, 9], 1)), [['spoon', 0]]);
      const always = await filled({ upsert: true });
      assert.deepEqual(await always.addDocuments(documents()), IDS);
      await assert.rejects(always.addDocuments(documents(), { upsert: false }), isError('id_already_exists'));
      assert.equal(await (await always.store).count(), 5);
      const wrong = /** @type {any} */ ({ upsert: 'yes' });
      await assert.rejects(store.addDocuments([], wrong), isError('invalid_option', { message: /upsert/ }));
    });

    test('texts are embedded in batches, with progress; a failure adds nothing', async () => {
      const embeddings = new Letters();
      /** @type {unknown[]} */
      const progress = [];
      const onProgress = (/** @type {unknown} */ step) => void progress.push(step);
      const store = await TwindexVectorStore.fromDocuments(documents(), embeddings, { batchSize: 2, onProgress });
      assert.deepEqual(embeddings.batches, [TEXTS.slice(0, 2), TEXTS.slice(2, 4), TEXTS.slice(4)]);
      assert.deepEqual(progress, [2, 4, 5].map((done) => ({ done, total: 5 })));
      embeddings.batches = [];
      await store.addDocuments(documents(), { batchSize: 4, ids: ['1', '2', '3', '4', '5'] });
      assert.deepEqual(embeddings.batches, [TEXTS.slice(0, 4), TEXTS.slice(4)]);
      embeddings.batches = [];
      await TwindexVectorStore.fromTexts(TEXTS, [], embeddings, { batchSize: 3 });
      assert.deepEqual(embeddings.batches, [TEXTS.slice(0, 3), TEXTS.slice(3)]);
      const before = await store.serialize();
      embeddings.failure = new Error('too many requests');
      const more = [new Document({ pageContent: 'more' })];
      await assert.rejects(store.addDocuments(more), isError('embeddings_custom', { cause: embeddings.failure }));
      await assert.rejects(store.addDocuments(more, { signal: AbortSignal.abort('enough') }), (reason) => reason === 'enough');
      assert.deepEqual(await store.serialize(), before);
    });

    test('vectors are added as lists, or flat', async () => {
      const store = new TwindexVectorStore(new Letters());
      const given = documents().slice(0, 2);
      assert.deepEqual(await store.addVectors(given.map(({ pageContent }) => embed(pageContent)), given), ['spoon', 'fork']);
      const flat = Float32Array.from([...embed('x'), ...embed('y')]);
      const rest = ['x', 'y'].map((id) => new Document({ pageContent: id, id }));
      assert.deepEqual(await store.addVectors(flat, rest, { ids: ['x', 'z'] }), ['x', 'z']);
      assert.deepEqual(await store.addVectors([], []), []);
      await assert.rejects(store.addVectors([[1]], [new Document({ pageContent: '' })]), isError('dimension_mismatch'));
      await assert.rejects(store.addVectors([[1, 2, 3, 4]], []), isError('length_mismatch'));
      assert.deepEqual(scoresOf(await store.similaritySearchWithScore('a fork', 1)), [['fork', 0]]);
    });

    test('texts take one metadata object each, one for all, or none', async () => {
      /** @param {object[] | object} metadatas */
      const metadataOf = async (metadatas) => {
        const store = await TwindexVectorStore.fromTexts(['a', 'b'], metadatas, new Letters(), { ids: ['a', 'b'] });
        return (await store.getByIds(['a', 'b'])).map(({ metadata }) => metadata);
      };
      assert.deepEqual(await metadataOf([{ n: 1 }, { n: 2 }]), [{ n: 1 }, { n: 2 }]);
      assert.deepEqual(await metadataOf({ n: 1 }), [{ n: 1 }, { n: 1 }]);
      assert.deepEqual(await metadataOf([]), [{}, {}]);
      await assert.rejects(metadataOf([{ n: 1 }]), isError('length_mismatch'));
      await assert.rejects(metadataOf([{ at: new Date() }, {}]), isError('invalid_metadata'));
    });

    test('documents are deleted by ids, by filter, or all; nothing to delete is an error', async () => {
      const store = await filled();
      assert.equal(await store.delete({ ids: ['fork'] }), undefined);
      assert.deepEqual(await (await store.store).ids(), ['spoon', 'soup', 'both', 'day']);
      await assert.rejects(store.delete({ ids: ['fork', 'spoon'] }), isError('unknown_id'));
      await store.delete({ ids: ['fork', 'spoon'], ignoreUnknown: true });
      await store.delete({ filter: { price: { $gt: 6 } } });
      await store.delete({ filter: ({ id }) => id === 'day' });
      assert.deepEqual(await (await store.store).ids(), ['both']);
      for (const nothing of [undefined, {}, { deleteAll: false }, { deleteAll: 'yes' }, { deleteAll: true, ids: ['both'] }, { directory: 'x' }]) {
        await assert.rejects(store.delete(/** @type {any} */ (nothing)), isError(nothing && Object.keys(nothing).length > 0 ? 'invalid_option' : 'no_ids'));
      }
      assert.equal(await (await store.store).count(), 1);
      await store.delete({ deleteAll: true });
      assert.equal(await (await store.store).count(), 0);
    });

    test('a store is saved into a directory, and loaded from it', async (t) => {
      const directory = join(await newFolder(t), 'made', 'with its parents');
      const store = await filled({ distanceStrategy: 'cosine' });
      await store.save(directory);
      assert.deepEqual(await readdir(directory), ['index.twindex']);
      const loaded = await TwindexVectorStore.load(directory, new Letters(), { distanceStrategy: 'cosine' });
      assert.deepEqual(await loaded.serialize(), await store.serialize());
      assert.deepEqual(
        scoresOf(await loaded.similaritySearchWithScore('a spoon')),
        scoresOf(await store.similaritySearchWithScore('a spoon')),
      );
      await loaded.addDocuments([new Document({ pageContent: 'a knife', id: 'knife' })]);
      await loaded.save(directory, { indexName: 'more' });
      assert.deepEqual(await VectorStore.list({ directory }), ['index', 'more']);
      const more = await TwindexVectorStore.load(directory, new Letters(), { indexName: 'more', upsert: true });
      assert.deepEqual(await more.addDocuments([new Document({ pageContent: 'a knife', id: 'knife' })]), ['knife']);
      assert.equal(await (await more.store).count(), 6);
    });

    test('what cannot be saved or loaded is an error with a code', async (t) => {
      const directory = await newFolder(t);
      const embeddings = new Letters();
      const store = await filled();
      const load = TwindexVectorStore.load.bind(TwindexVectorStore, directory, embeddings);
      await assert.rejects(load(), isError('file_not_found'));
      await store.save(directory);
      await assert.rejects(load({ distanceStrategy: 'ip' }), isError('setting_mismatch'));
      await assert.rejects(load({ indexName: '../escape' }), isError('invalid_index_name'));
      const unknown = /** @type {any} */ ({ docstore: {} });
      await assert.rejects(load(unknown), isError('invalid_option', { message: /docstore/ }));
      await writeFile(join(directory, 'index.twindex'), 'no store');
      await assert.rejects(load(), isError('not_a_store'));
      for (const wrong of /** @type {any[]} */ ([undefined, 3, { directory }])) {
        await assert.rejects(TwindexVectorStore.load(wrong, embeddings), isError('invalid_argument', { message: /directory/ }));
        await assert.rejects(store.save(wrong), isError('invalid_argument', { message: /directory/ }));
      }
    });

    test('a folder that the native library wrote opens', async (t) => {
      const directory = await newFolder(t);
      const [, native] = EXAMPLES;
      assert.equal(native?.length, 264);
      await writeFile(join(directory, 'index.twindex'), native);
      const embeddings = new Letters();
      embeddings.embedQuery = async () => [3, 4];
      const store = await TwindexVectorStore.load(directory, embeddings);
      const [[document, score] = []] = await store.similaritySearchWithScore('hi', 1);
      assert.deepEqual(document, new Document({ pageContent: 'hi', metadata: { n: 1 }, id: 'a' }));
      assert.equal(score, 1);
      assert.deepEqual(Buffer.from(await store.serialize()), native);
    });

    test('bytes go out and come in', async () => {
      const store = await filled({ distanceStrategy: 'ip' });
      const bytes = await store.serialize();
      for (const given of [bytes, bytes.buffer, new Blob([bytes]), new Response(bytes)]) {
        const copy = await TwindexVectorStore.deserialize(given, new Letters(), { batchSize: 1 });
        assert.deepEqual(await copy.serialize(), bytes);
        assert.deepEqual(idsOf(await copy.similaritySearch('a fork', 1)), ['spoon']);
      }
      await assert.rejects(TwindexVectorStore.deserialize(bytes.subarray(0, -1), new Letters()), isError('truncated'));
    });

    test("LangChain's index keeps a store up to date", async () => {
      class Records extends world.RecordManager {
        /** @type {string[]} @override */
        lc_namespace = [];
        /** @type {Map<string, { at: number, group: string | null }>} */
        records = new Map();
        now = 0;

        /** @override */
        async createSchema() {}

        /** @override */
        async getTime() {
          return ++this.now;
        }

        /** @override @param {string[]} keys @param {import('@langchain/core/indexing').UpdateOptions} [options] */
        async update(keys, { groupIds } = {}) {
          keys.forEach((key, i) => this.records.set(key, { at: ++this.now, group: groupIds?.[i] ?? null }));
        }

        /** @override @param {string[]} keys */
        async exists(keys) {
          return keys.map((key) => this.records.has(key));
        }

        /** @override @param {import('@langchain/core/indexing').ListKeyOptions} options */
        async listKeys({ before = Infinity, groupIds, limit = Infinity }) {
          const old = [...this.records].filter(([, { at, group }]) => at < before && (groupIds?.includes(group) ?? true));
          return old.map(([key]) => key).slice(0, limit);
        }

        /** @override @param {string[]} keys */
        async deleteKeys(keys) {
          for (const key of keys) this.records.delete(key);
        }
      }
      const store = new TwindexVectorStore(new Letters(), { upsert: true });
      const recordManager = new Records();
      /** @param {DocumentInterface[]} docsSource @param {import('@langchain/core/indexing').IndexOptions} options */
      const run = (docsSource, options) => world.index({ docsSource, recordManager, vectorStore: store, options });
      const contents = async () => (await store.similaritySearch('x', 9)).map(({ pageContent }) => pageContent).sort();
      const source = documents();
      assert.deepEqual(await run(source, { cleanup: 'full' }), { numAdded: 5, numDeleted: 0, numUpdated: 0, numSkipped: 0 });
      const changed = [...source.slice(1), new Document({ pageContent: 'a knife', metadata: {} })];
      assert.deepEqual(await run(changed, { cleanup: 'full' }), { numAdded: 1, numDeleted: 1, numUpdated: 0, numSkipped: 4 });
      assert.deepEqual(await contents(), changed.map(({ pageContent }) => pageContent).sort());
      assert.deepEqual(await run(changed, { forceUpdate: true }), { numAdded: 0, numDeleted: 0, numUpdated: 5, numSkipped: 0 });
      assert.deepEqual(await contents(), changed.map(({ pageContent }) => pageContent).sort());
    });

    test("LangChain's example selectors choose among what it holds", async () => {
      const examples = [{ dish: 'soup', tool: 'spoon' }, { dish: 'roast', tool: 'fork' }];
      const options = { k: 1, inputKeys: ['dish'], exampleKeys: ['tool'], batchSize: 1 };
      const embeddings = new Letters();
      const selector = await world.SemanticSimilarityExampleSelector.fromExamples(examples, embeddings, TwindexVectorStore, options);
      assert.deepEqual(await selector.selectExamples({ dish: 'soups' }), [{ tool: 'spoon' }]);
      await selector.addExample({ dish: 'stew, stewed', tool: 'ladle' });
      assert.deepEqual(await selector.selectExamples({ dish: 'stewed' }), [{ tool: 'ladle' }]);
      assert.deepEqual(embeddings.batches, [['soup'], ['roast'], ['stew, stewed']]);
    });

    test('a store that is there already can be used, or one that is made when it is needed', async () => {
      const embeddings = new Letters();
      const plain = await VectorStore.fromDocuments(documents(), embeddings);
      for (const store of [plain, Promise.resolve(plain)]) {
        const wrapped = new TwindexVectorStore(embeddings, { store });
        assert.equal(await wrapped.store, plain);
        assert.deepEqual(idsOf(await wrapped.similaritySearch('a fork', 1)), ['fork']);
      }
      /** @type {unknown[]} */
      const calls = [];
      const lazy = new TwindexVectorStore(embeddings, {
        store: (given) => {
          calls.push(given);
          return VectorStore.fromDocuments(documents(), given);
        },
      });
      assert.deepEqual(calls, []);
      const found = await Promise.all([lazy.similaritySearch('a fork', 1), lazy.getByIds(['fork'])]);
      assert.deepEqual(found.map(idsOf), [['fork'], ['fork']]);
      assert.deepEqual(calls, [embeddings]);
    });

    test('a store in a worker can be used', async (t) => {
      t.after(() => world.terminate());
      const embeddings = new Letters();
      const store = new TwindexVectorStore(embeddings, { store: (given) => world.WorkerStore.create(given), batchSize: 2 });
      assert.deepEqual(await store.addDocuments(documents()), IDS);
      assert.equal(embeddings.batches.length, 3);
      const here = await filled();
      assert.deepEqual(await store.serialize(), await here.serialize());
      /** @param {DocumentInterface} document */
      const filter = ({ metadata }) => metadata['kind'] === 'tool';
      const searchType = /** @type {const} */ ('mmr');
      assert.deepEqual(
        await store.asRetriever({ k: 3, filter, searchType }).invoke('a spoon'),
        await here.asRetriever({ k: 3, filter, searchType }).invoke('a spoon'),
      );
    });

    test('a failure to make the store is that of the call, and the next call tries again', async () => {
      const embeddings = new Letters();
      let failures = 2;
      const store = new TwindexVectorStore(embeddings, {
        store: async (given) => {
          if (failures-- > 0) throw new Error('away');
          return VectorStore.create(given);
        },
      });
      await assert.rejects(store.addDocuments(documents()), { message: 'away' });
      await assert.rejects(store.store, { message: 'away' });
      assert.deepEqual(await store.addDocuments(documents()), IDS);
      const unknown = /** @type {any} */ ({ similarity: () => 1 });
      const wrong = new TwindexVectorStore(embeddings, unknown);
      await assert.rejects(wrong.similaritySearch('x'), isError('invalid_option', { message: /similarity/ }));
      await assert.rejects(TwindexVectorStore.fromExistingIndex(embeddings, unknown), isError('invalid_option'));
    });

    test('what is no store, and options that would not count, are refused', async () => {
      const embeddings = new Letters();
      for (const store of /** @type {any[]} */ ([{}, 'name', () => undefined, Promise.resolve(null)])) {
        await assert.rejects(new TwindexVectorStore(embeddings, { store }).similaritySearch('x'), isError('invalid_option', { message: /store/ }));
      }
      const store = await VectorStore.create(embeddings);
      assert.throws(() => new TwindexVectorStore(embeddings, { store, dim: 3 }), isError('invalid_option', { message: /dim/ }));
      new TwindexVectorStore(embeddings, { store, dim: undefined, upsert: true, batchSize: 3 }).free();
      const none = new TwindexVectorStore(/** @type {any} */ (undefined));
      await assert.rejects(none.similaritySearch('x'), isError('no_embeddings'));
    });

    test('after free there is no store, whether it was used before or not', async () => {
      const freed = isError('store_freed');
      const used = await filled();
      used.free();
      used.free();
      await assert.rejects(used.similaritySearch('x'), freed);
      await assert.rejects(used.asRetriever().invoke('x'), freed);
      const unused = new TwindexVectorStore(new Letters());
      unused.free();
      await assert.rejects(unused.addDocuments(documents()), freed);
      const opening = new TwindexVectorStore(new Letters());
      const added = opening.addDocuments(documents());
      opening.free();
      const late = opening.getByIds(IDS);
      assert.deepEqual(await added, IDS);
      await assert.rejects(late, freed);
      await assert.rejects(opening.getByIds(IDS), freed);
      const given = await VectorStore.create();
      const wrapped = await TwindexVectorStore.fromExistingIndex(new Letters(), { store: given });
      wrapped[Symbol.dispose]();
      await assert.rejects(given.count(), freed);
    });

    test('a forgotten store is collected, and the bytes that it came from before', async () => {
      setFlagsFromString('--expose-gc');
      const gc = /** @type {() => void} */ (runInNewContext('gc'));
      const isCollected = async (/** @type {WeakRef<object>} */ reference) => {
        for (let round = 0; round < 20 && reference.deref(); round++) {
          await new Promise((resolve) => setImmediate(resolve));
          gc();
        }
        return reference.deref() === undefined;
      };
      const make = async () => {
        const bytes = await (await filled()).serialize();
        const store = await TwindexVectorStore.deserialize(bytes, new Letters());
        return { store, bytes: new WeakRef(bytes) };
      };
      const forget = async () => new WeakRef(await (await filled()).store);
      const { store, bytes } = await make();
      assert.ok(await isCollected(bytes));
      assert.ok(await isCollected(await forget()));
      assert.equal((await store.getByIds(IDS)).length, 5);
    });
  });
}

test('both ways lead to one store behind two classes', async () => {
  const { import: imported, require: required } = worlds;
  assert.equal(imported.VectorStore, required.VectorStore);
  assert.notEqual(imported.TwindexVectorStore, required.TwindexVectorStore);
  assert.notEqual(imported.Document, required.Document);
  const embeddings = { embedDocuments: async (/** @type {string[]} */ texts) => texts.map(embed), embedQuery: async () => [0, 0, 0, 0] };
  const one = await imported.TwindexVectorStore.fromTexts(TEXTS, [], embeddings);
  const other = await required.TwindexVectorStore.fromTexts(TEXTS, [], embeddings);
  await (await one.store).mergeFrom(await other.store);
  assert.equal(await (await one.store).count(), 10);
});

for (const compiler of ['typescript', 'typescript-5']) {
  test(`the types hold in a program, and in themselves, by ${compiler}`, () => {
    copyFileSync(new URL('langchain.types.ts', import.meta.url), join(project, 'program.ts'));
    copyFileSync(new URL('langchain.types.ts', import.meta.url), join(project, 'program.cts'));
    const compilerOptions = {
      strict: true,
      noEmit: true,
      noUncheckedIndexedAccess: true,
      noUnusedLocals: true,
      skipLibCheck: false,
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable', 'dom'],
      types: ['node'],
    };
    const tsc = fileURLToPath(new URL(`node_modules/${compiler}/bin/tsc`, import.meta.url));
    const modules = [
      { files: ['program.ts', 'program.cts'], compilerOptions: { ...compilerOptions, module: 'nodenext' } },
      { files: ['program.ts'], compilerOptions: { ...compilerOptions, module: 'esnext', moduleResolution: 'bundler' } },
    ];
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
    for (const config of modules) {
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
      const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
      assert.equal(status, 0, `${stdout}${stderr}`);
    }
  });
}
