// The store in LangChain.js's place for one.
import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import type { BaseRetrieverInterface } from '@langchain/core/retrievers';
import { VectorStore as LangChainStore, type VectorStoreInterface } from '@langchain/core/vectorstores';
import { VectorStore, type Filter } from 'twindex';
import {
  TwindexVectorStore,
  type TwindexAddOptions,
  type TwindexAddVectorsOptions,
  type TwindexDeleteOptions,
  type TwindexDocument,
  type TwindexFromArgs,
  type TwindexLoadOptions,
  type TwindexOpenOptions,
  type TwindexSaveOptions,
  type TwindexVectorStoreArgs,
} from 'twindex/langchain';
import { VectorStore as WorkerStore } from 'twindex/worker';

declare const embeddings: EmbeddingsInterface;

const args: TwindexVectorStoreArgs = { distanceStrategy: 'cosine', upsert: true, batchSize: 8 };
const fromArgs: TwindexFromArgs = { ...args, ids: ['a'], onProgress: ({ done }) => void done };
const adding: TwindexAddOptions = { ids: ['a'], upsert: false, signal: new AbortController().signal };
const addingVectors: TwindexAddVectorsOptions = { dim: 2, upsert: true };
const opening: TwindexOpenOptions = { upsert: true, dim: 2 };
const loading: TwindexLoadOptions = { ...opening, indexName: 'manual' };
const saving: TwindexSaveOptions = { indexName: 'manual' };
const deletions: TwindexDeleteOptions[] = [
  { ids: ['a'], ignoreUnknown: true },
  { filter: { lang: 'en' } },
  { deleteAll: true },
];
const filters: Filter[] = [{ lang: { $in: ['en'] } }, ({ metadata }) => metadata['lang'] === 'en'];

export async function make(): Promise<TwindexVectorStore[]> {
  return [
    new TwindexVectorStore(embeddings),
    new TwindexVectorStore(embeddings, args),
    new TwindexVectorStore(embeddings, { store: VectorStore.create(null) }),
    new TwindexVectorStore(embeddings, { store: (own) => WorkerStore.load('manual', own) }),
    await TwindexVectorStore.fromTexts(['a'], [{ lang: 'en' }], embeddings, fromArgs),
    await TwindexVectorStore.fromTexts(['a'], {}, embeddings),
    await TwindexVectorStore.fromDocuments([new Document({ pageContent: 'a' })], embeddings, fromArgs),
    await TwindexVectorStore.fromExistingIndex(embeddings, args),
    await TwindexVectorStore.deserialize(new Uint8Array(8), embeddings, opening),
    await TwindexVectorStore.load('directory', embeddings, loading),
  ];
}

export async function use(store: TwindexVectorStore): Promise<void> {
  const base: LangChainStore = store;
  const general: VectorStoreInterface = store;
  const documents: DocumentInterface[] = [
    new Document({ pageContent: 'a', metadata: { lang: 'en' }, id: 'a' }),
  ];
  const ids: string[] = await store.addDocuments(documents, adding);
  ids.push(...(await store.addVectors([[1, 2]], documents, addingVectors)));
  for (const filter of filters) {
    const found: TwindexDocument[] = await store.similaritySearch('a', 3, filter);
    const scored: [TwindexDocument, number][] = await store.similaritySearchWithScore('a', { k: 3, filter });
    const byVector: [TwindexDocument, number][] = await store.similaritySearchVectorWithScore(
      [1, 2],
      3,
      filter,
    );
    const diverse: TwindexDocument[] = await store.maxMarginalRelevanceSearch('a', {
      k: 3,
      fetchK: 9,
      lambda: 0.2,
      filter,
    });
    const texts: string[] = [
      ...found,
      ...diverse,
      ...[...scored, ...byVector].map(([document]) => document),
    ].map(({ pageContent }) => pageContent);
    const retriever: BaseRetrieverInterface = store.asRetriever({ k: 3, searchType: 'mmr', filter });
    void [texts, await retriever.invoke('a')];
  }
  for (const deletion of deletions) await store.delete(deletion);
  const [first]: (TwindexDocument | undefined)[] = await store.getByIds(ids);
  const inner: VectorStore = await store.store;
  const bytes: Uint8Array<ArrayBuffer> = await store.serialize();
  await store.save('directory', saving);
  store.free();
  store[Symbol.dispose]();
  void [base, general, first?.id, inner, bytes];
}

export async function misuse(store: TwindexVectorStore): Promise<void> {
  // @ts-expect-error embeddings are needed
  new TwindexVectorStore();
  // @ts-expect-error there is no such option
  new TwindexVectorStore(embeddings, { metric: 'cosine' });
  // @ts-expect-error what to delete has to be said
  await store.delete({ deleteAll: false });
  // @ts-expect-error a filter does not hold dates
  await store.similaritySearch('a', 3, { when: new Date() });
  // @ts-expect-error ids are strings
  await store.getByIds([1]);
}
