// @ts-check
/** What there is no memory for is an error that leaves the module as it was. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { VectorStore, abc, holes, idsOf, isError, refused } from './store/twindex.mjs';

test('billions of holes are refused without counting them', async () => {
  const store = await abc();
  const endless = holes(2 ** 32 - 1);
  const documents = [{ pageContent: 'x' }];
  const hole = /got nothing, a hole in the list$/;
  /** @type {[call: () => Promise<unknown>, code: string][]} */
  const calls = [
    [() => store.addTexts(endless), 'invalid_argument'],
    [() => store.addTexts(['x'], endless), 'invalid_metadata'],
    [() => store.addTexts(['x'], null, { ids: endless }), 'invalid_argument'],
    [() => store.addDocuments(endless), 'invalid_argument'],
    [() => store.addDocuments(documents, { ids: endless }), 'invalid_argument'],
    [() => store.addVectors(endless, documents), 'invalid_argument'],
    [() => store.addVectors([[1, 2, 3]], documents, { ids: endless }), 'invalid_argument'],
    [() => store.similaritySearchBatch(endless), 'invalid_argument'],
    [() => store.getByIds(endless), 'invalid_argument'],
    [() => store.delete({ ids: endless }), 'invalid_argument'],
  ];
  for (const [call, code] of calls) await refused(store, call, isError(code, hole));
  const metadata = isError('invalid_metadata', /a hole in the list/);
  await refused(store, () => store.addDocuments([{ pageContent: 'x', metadata: { endless } }]), metadata);
  const long = (/** @type {any} */ error) =>
    ['dimension_mismatch', 'invalid_argument', 'out_of_memory'].includes(error.code);
  await refused(store, () => store.similaritySearchByVector(endless), long);
  await refused(store, () => store.addVectors([endless, endless], [...documents, ...documents]), long);
  assert.equal(await store.count(), 3);
});

test('one metadata object for so many texts that there is no memory for it', async () => {
  const store = await abc();
  const texts = Array(5000).fill('x');
  for (const metadata of [{ blob: 'x'.repeat(1 << 20) }, { list: Array(1 << 16).fill(0) }]) {
    await refused(
      store,
      () => store.addTexts(texts, metadata),
      isError('out_of_memory', /^no memory for \d+ bytes of metadata$/),
    );
  }
  assert.deepEqual(idsOf(await store.similaritySearch('a', 1)), ['a']);
});

test('vectors that their dimension and number make too many', async () => {
  const long = new Float32Array(1 << 16);
  const store = await VectorStore.create({
    embedDocuments: (texts) => texts.map(() => long),
    embedQuery: () => long,
  });
  const bytes = 4 * 2 ** 32;
  const check = isError('out_of_memory', new RegExp(`^no memory for ${bytes} bytes of vectors$`));
  const texts = Array(1 << 16).fill('');
  await refused(store, () => store.addTexts(texts), check);
  await refused(store, () => store.similaritySearchBatch(texts), check);
  assert.equal(await store.count(), 0);
});

test('a vector longer than any memory', async () => {
  const store = await VectorStore.create();
  const row = Object.assign(Array(2 ** 32 - 1), { 0: 1 });
  const check = (/** @type {any} */ error) => ['invalid_argument', 'out_of_memory'].includes(error.code);
  await refused(store, () => store.addVectors([row], [{ pageContent: '' }]), check);
  const open = await VectorStore.create(null, { dim: 2 ** 30 });
  await refused(open, () => open.addVectors([[1]], [{ pageContent: '' }]), isError('dimension_mismatch'));
});
