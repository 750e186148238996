// What the types refuse. TypeScript itself fails if one of these lines is accepted.
import { init, VectorStore, VectorStoreError, type Embeddings, type StoreInfo } from 'twindex';

declare const store: VectorStore;
declare const embeddings: Embeddings;
declare const info: StoreInfo;
declare const error: VectorStoreError;

export async function misuse(): Promise<void> {
  // @ts-expect-error a store is not made with `new`
  new VectorStore();
  // @ts-expect-error embeddings are needed to embed
  await VectorStore.fromTexts(['a'], null);
  // @ts-expect-error half of an embedding is none
  await VectorStore.create({ embedQuery: async () => [1] });
  // @ts-expect-error an embedding gives numbers
  await VectorStore.create({ embedDocuments: async () => [['1']], embedQuery: async () => ['1'] });
  // @ts-expect-error texts are strings
  await VectorStore.fromTexts([1], null, embeddings);
  // @ts-expect-error there is no such strategy
  await VectorStore.create(null, { distanceStrategy: 'manhattan' });
  // @ts-expect-error there is no such option
  await VectorStore.create(null, { distance: 'l2' });
  // @ts-expect-error a document has a text
  await store.addDocuments([{ metadata: {} }]);
  // @ts-expect-error metadata is an object
  await store.addDocuments([{ pageContent: 'a', metadata: 'b' }]);
  // @ts-expect-error vectors are numbers
  await store.addVectors([['1', '2']], [{ pageContent: 'a' }]);
  // @ts-expect-error vectors of bytes are not known
  await store.similaritySearchByVector(new Uint8Array(3));
  // @ts-expect-error a query is a text
  await store.similaritySearch([1, 2]);
  // @ts-expect-error k is a number
  await store.similaritySearch('a', '3');
  // @ts-expect-error there is no such option of a search
  await store.similaritySearch('a', { top: 3 });
  // @ts-expect-error a predicate answers at once
  await store.similaritySearch('a', 3, async () => true);
  // @ts-expect-error a filter does not hold dates
  await store.similaritySearch('a', 3, { when: new Date() });
  // @ts-expect-error $and is a list
  await store.similaritySearch('a', 3, { $and: { a: 1 } });
  // @ts-expect-error there is no such search
  await store.search('a', 'fuzzy');
  // @ts-expect-error lambda belongs to MMR
  await store.similaritySearch('a', { lambda: 1 });
  // @ts-expect-error what to delete has to be said
  await store.delete({});
  // @ts-expect-error ids are strings
  await store.delete({ ids: [1] });
  // @ts-expect-error a store is merged, not its bytes
  await store.mergeFrom(await store.serialize());
  // @ts-expect-error a store is opened from bytes, not from text
  await VectorStore.deserialize('bytes');
  // @ts-expect-error a signal is no controller
  await store.similaritySearch('a', { signal: new AbortController() });
  // @ts-expect-error null is no module
  await init(null);
  // @ts-expect-error codes are read only
  error.code = 'other';
  // @ts-expect-error every method gives a promise
  const count: number = store.count();
  // @ts-expect-error a store that has no vectors has no dimension
  const dim: number = info.dim;
  void [count, dim];
}
