// `import` and `require` in one process give the same classes, so that what one half of a program makes the
// other half knows.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

for (const entry of ['twindex', 'twindex/worker']) {
  const imported = { ...(await import(entry)) };
  const required = { ...require(entry) };
  delete imported.default;
  delete imported['module.exports'];
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort(), entry);
  for (const name of Object.keys(imported))
    assert.equal(imported[name], required[name], `${name} of ${entry}`);
}

const { VectorStore } = await import('twindex');
const { VectorStore: Required, VectorStoreError } = require('twindex');
const store = await VectorStore.fromVectors([[1, 2]], [{ pageContent: 'a', id: 'a' }]);
assert.ok(store instanceof Required);
const other = await Required.fromVectors([[3, 4]], [{ pageContent: 'b', id: 'b' }]);
await store.mergeFrom(other);
assert.deepEqual(await store.ids(), ['a', 'b']);
await assert.rejects(
  store.getVector('c'),
  (error) => error instanceof VectorStoreError && error.code === 'unknown_id',
);

// LangChain.js has two of each class, one for `import` and one for `require`. Ours extend theirs, and have
// the same stores.
const embeddings = { embedDocuments: async (texts) => texts.map(() => [1]), embedQuery: async () => [1] };
for (const load of [(name) => import(name), require]) {
  const { TwindexVectorStore } = await load('twindex/langchain');
  const { VectorStore: Base } = await load('@langchain/core/vectorstores');
  const chained = new TwindexVectorStore(embeddings);
  assert.ok(chained instanceof Base);
  assert.ok((await chained.store) instanceof VectorStore);
}
