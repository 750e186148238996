// @ts-check
/** Calls at the same time, and what becomes of values that are changed after a call was given them. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { VectorStore, abc, deferred, embed, embeddings, idsOf, isError, turn } from './store/twindex.mjs';

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
