// @ts-check
/** Vectors and their memory: flat, of every kind, of another realm, given away, of zeros. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';

import { VectorStore, abc, detached, embeddings, idsOf, isError, refused } from './store/twindex.mjs';

describe('flat vectors', () => {
  const document = { pageContent: 'x' };

  test('need a dimension while the store has none', async () => {
    const store = await VectorStore.create();
    const message = /^vectors: a flat Float32Array needs the option dim while the store has no vectors$/;
    await refused(
      store,
      () => store.addVectors(new Float32Array(4), [document]),
      isError('invalid_argument', message),
    );
    await refused(store, () => store.similaritySearchBatch(new Float32Array(4)), isError('invalid_argument'));
    await store.addVectors(new Float32Array([1, 2, 3, 4]), [document, document], { dim: 2 });
    assert.deepEqual(await store.getVectors(), new Float32Array([1, 2, 3, 4]));
  });

  test('have to divide into rows', async () => {
    const store = await abc();
    const check = isError('ragged_rows', /^4 numbers do not divide into rows of 3$/);
    await refused(store, () => store.addVectors(new Float32Array(4), [document]), check);
    await refused(store, () => store.similaritySearchBatch(new Float32Array(4)), check);
  });

  test('have to agree with the store, whatever dimension is given', async () => {
    const store = await abc();
    const check = isError('dimension_mismatch', /^vector 0 has 2 numbers, the store's dimension is 3$/);
    await refused(
      store,
      () => store.addVectors(new Float32Array(4), [document, document], { dim: 2 }),
      check,
    );
    const list = isError('dimension_mismatch', /^vector 0 has 3 numbers, the store's dimension is 2$/);
    await refused(store, () => store.addVectors([[1, 2, 3]], [document], { dim: 2 }), list);
  });

  test('are 32-bit numbers', async () => {
    const store = await abc();
    const check = isError(
      'invalid_argument',
      /^vectors: expected a Float32Array or a list of vectors, got an instance of Float64Array$/,
    );
    await refused(store, () => store.addVectors(new Float64Array(3), [document]), check);
  });
});

test('numbers of every kind of vector are taken as they are', async () => {
  const store = await VectorStore.create();
  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared.set([3, 4]);
  const part = new Float32Array([9, 5, 6, 9]).subarray(1, 3);
  const vectors = [[1, 2], new Float64Array([0.1, 1e-50]), shared, part, new Proxy([7, 8], {})];
  await store.addVectors(
    vectors,
    vectors.map(() => ({ pageContent: '' })),
  );
  const expected = [1, 2, 0.1, 0, 3, 4, 5, 6, 7, 8];
  assert.deepEqual(await store.getVectors(), new Float32Array(expected));
});

test('vectors and bytes of another realm are those of this one', async () => {
  const store = await abc();
  for (const source of ['[0, 1, 0]', 'new Float32Array([0, 1, 0])', 'new Float64Array([0, 1, 0])']) {
    assert.deepEqual(idsOf(await store.similaritySearchByVector(runInNewContext(source), 1)), ['b'], source);
    const id = await store.addVectors([runInNewContext(source)], [{ pageContent: source }]);
    assert.deepEqual(await store.getVector(id[0]), new Float32Array([0, 1, 0]));
  }
  assert.equal((await store.similaritySearchBatch(runInNewContext('new Float32Array(6)'))).length, 2);
  assert.deepEqual(
    await store.addTexts(runInNewContext('["x"]'), null, runInNewContext('({ ids: ["x"] })')),
    ['x'],
  );
  const bytes = await store.serialize();
  for (const source of ['new Uint8Array(bytes)', 'new Uint8Array(bytes).buffer']) {
    const copy = await VectorStore.deserialize(runInNewContext(source, { bytes: Array.from(bytes) }));
    assert.deepEqual(await copy.serialize(), bytes);
  }
});

describe('detached memory', () => {
  test('is refused as vectors and as a query', async () => {
    const store = await abc();
    const documents = [{ pageContent: 'x' }];
    const flat = (/** @type {string} */ what) =>
      isError(
        'invalid_argument',
        new RegExp(`^${what}: expected memory that was not given away, got an instance of Float32Array$`),
      );
    await refused(store, () => store.addVectors(detached(new Float32Array(3)), documents), flat('vectors'));
    await refused(
      store,
      () => store.upsertVectors(detached(new Float32Array(3)), documents),
      flat('vectors'),
    );
    await refused(store, () => store.similaritySearchBatch(detached(new Float32Array(3))), flat('queries'));
    for (const make of [() => detached(new Float32Array(3)), () => detached(new Float64Array(3))]) {
      const row = isError('invalid_argument', /^vectors\[0\]: expected a vector/);
      await refused(store, () => store.addVectors([make()], documents), row);
      await refused(
        store,
        () => store.similaritySearchByVector(make()),
        isError('invalid_argument', /^vector: expected a vector/),
      );
    }
  });

  test('is refused as bytes', async () => {
    const bytes = await (await abc()).serialize();
    const check = isError(
      'invalid_argument',
      /^bytes: expected memory that was not given away, got an instance of /,
    );
    await assert.rejects(VectorStore.deserialize(detached(bytes.slice())), check);
    await assert.rejects(VectorStore.deserialize(detached(bytes.slice().buffer)), check);
    const empty = isError('not_a_store', /an empty file/);
    await assert.rejects(VectorStore.deserialize(new Uint8Array()), empty);
    await assert.rejects(VectorStore.deserialize(new ArrayBuffer(0)), empty);
  });
});

test('vectors of zeros have no direction: a cosine store takes none and looks for none', async () => {
  const store = await abc(embeddings, { distanceStrategy: 'COSINE' });
  const check = isError('zero_vector', /^vector 0 is all zeros/);
  await refused(store, () => store.addVectors(new Float32Array(3), [{ pageContent: 'x' }]), check);
  await refused(
    store,
    () => store.upsert([{ pageContent: 'none of the letters'.replace(/[abc]/g, ''), id: 'a' }]),
    check,
  );
  await refused(store, () => store.similaritySearchByVector([0, 0, 0]), check);
  await refused(store, () => store.similaritySearch('x'), check);
  await refused(store, () => store.maxMarginalRelevanceSearchByVector([0, -0, 0]), check);
});
