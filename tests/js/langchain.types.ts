// A program that uses the store in LangChain.js. The compiler says whether the types that come back are what they are said to be.
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { Embeddings } from '@langchain/core/embeddings';
import { SemanticSimilarityExampleSelector } from '@langchain/core/example_selectors';
import { index, type RecordManagerInterface } from '@langchain/core/indexing';
import { RunnableSequence } from '@langchain/core/runnables';
import { SaveableVectorStore, VectorStore as LangChainStore, VectorStoreRetriever, type VectorStoreInterface } from '@langchain/core/vectorstores';
import { VectorStore, type Filter, type MetadataValue } from 'twindex';
import {
  TwindexVectorStore,
  type TwindexAddOptions,
  type TwindexAddVectorsOptions,
  type TwindexDeleteOptions,
  type TwindexDocument,
  type TwindexFromArgs,
  type TwindexLoadOptions,
  type TwindexMmrOptions,
  type TwindexOpenOptions,
  type TwindexSaveOptions,
  type TwindexVectorStoreArgs,
} from 'twindex/langchain';
import { VectorStore as WorkerStore } from 'twindex/worker';

/** Both types are the same, and neither is `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._proof: Same<A, B> extends true ? [] : [never]): void => undefined;

class Letters extends Embeddings {
  async embedDocuments(texts: string[]): Promise<number[][]> {
    return texts.map((text) => [text.length]);
  }
  async embedQuery(text: string): Promise<number[]> {
    return [text.length];
  }
}

const embeddings = new Letters({});
const signal: AbortSignal = new AbortController().signal;

const args: TwindexVectorStoreArgs = { distanceStrategy: 'cosine', normalizeL2: false, dim: 1, upsert: true, batchSize: 8 };
const fromArgs: TwindexFromArgs = { ...args, ids: ['a', null], onProgress: ({ done, total }) => void (done / total), signal };
const addOptions: TwindexAddOptions = { ids: ['a'], batchSize: 2, upsert: true, signal };
const addVectorsOptions: TwindexAddVectorsOptions = { ids: ['a'], dim: 2, upsert: false, signal };
const openOptions: TwindexOpenOptions = { distanceStrategy: 'ip', upsert: true, signal };
const loadOptions: TwindexLoadOptions = { ...openOptions, indexName: 'manual' };
const saveOptions: TwindexSaveOptions = { indexName: 'manual', signal };
const mmrOptions: TwindexMmrOptions = { k: 3, fetchK: 9, lambda: 0.2, filter: { lang: 'en' }, scoreThreshold: 1, signal };
const deletions: TwindexDeleteOptions[] = [{ ids: ['a'], ignoreUnknown: true }, { filter: () => true }, { deleteAll: true }];

const filters: TwindexVectorStore['FilterType'][] = [
  { lang: { $in: ['en', 'de'] }, $not: { draft: true } },
  (document) => document.metadata['lang'] === 'en',
  // As written for other stores of LangChain.
  (document: Document) => document.metadata['lang'] === 'en',
  (document: DocumentInterface) => document.id === 'a',
];
same<TwindexVectorStore['FilterType'], Filter>();

export async function make(plain: VectorStore, inWorker: WorkerStore): Promise<LangChainStore[]> {
  const documents: DocumentInterface[] = [{ pageContent: 'a', metadata: {} }, new Document({ pageContent: 'b' })];
  const made = [
    new TwindexVectorStore(embeddings),
    new TwindexVectorStore(embeddings, args),
    new TwindexVectorStore(embeddings, { store: plain }),
    new TwindexVectorStore(embeddings, { store: Promise.resolve(inWorker) }),
    new TwindexVectorStore(embeddings, { store: (given) => WorkerStore.load('manual', given) }),
    await TwindexVectorStore.fromTexts(['a'], [{ lang: 'en' }], embeddings, fromArgs),
    await TwindexVectorStore.fromTexts(['a'], {}, embeddings),
    await TwindexVectorStore.fromDocuments(documents, embeddings, fromArgs),
    await TwindexVectorStore.fromExistingIndex(embeddings, { store: () => plain }),
    await TwindexVectorStore.deserialize(new Uint8Array(8), embeddings, openOptions),
    await TwindexVectorStore.load('directory', embeddings, loadOptions),
  ];
  same<TwindexVectorStore, (typeof made)[number]>();
  const saveable: SaveableVectorStore[] = made;
  const interfaces: VectorStoreInterface[] = made;
  return [...saveable, ...interfaces.slice(0, 0).map(() => new TwindexVectorStore(embeddings))];
}

export async function use(store: TwindexVectorStore, recordManager: RecordManagerInterface): Promise<string> {
  const documents = [new Document({ pageContent: 'a', metadata: { lang: 'en' } })];
  same<Promise<string[]>, ReturnType<typeof store.addDocuments>>();
  same<Promise<string[]>, ReturnType<typeof store.addVectors>>();
  const ids: string[] = await store.addDocuments(documents, addOptions);
  ids.push(...(await store.addVectors([[1, 2]], documents, addVectorsOptions)));
  ids.push(...(await store.addVectors(new Float32Array(2), documents)));

  same<Promise<TwindexDocument[]>, ReturnType<typeof store.similaritySearch>>();
  same<Promise<[TwindexDocument, number][]>, ReturnType<typeof store.similaritySearchWithScore>>();
  for (const filter of filters) {
    const found = await store.similaritySearch('a', 3, filter);
    const scored = await store.similaritySearchWithScore('a', { k: 3, filter, scoreThreshold: 2 });
    const byVector = await store.similaritySearchVectorWithScore(new Float32Array(2), 3, filter);
    const diverse = await store.maxMarginalRelevanceSearch('a', { k: 3, filter });
    for (const document of [...found, ...diverse, ...[...scored, ...byVector].map(([document]) => document)]) {
      same<string, typeof document.id>();
      same<MetadataValue | undefined, (typeof document.metadata)['lang'] | undefined>();
      const own: Document = document;
      void own;
    }
    const retriever = store.asRetriever({ k: 3, filter, searchType: 'mmr', searchKwargs: { fetchK: 9, lambda: 0.2 } });
    same<VectorStoreRetriever<TwindexVectorStore>, typeof retriever>();
    same<TwindexVectorStore, typeof retriever.vectorStore>();
    await store.asRetriever(3, filter).invoke('a');
  }
  await store.maxMarginalRelevanceSearch('a', mmrOptions);
  await store.asRetriever({ filter: ({ metadata }) => metadata['lang'] === 'en' }).invoke('a');

  for (const deletion of deletions) same<void, Awaited<ReturnType<typeof store.delete>>>(), await store.delete(deletion);
  const [first] = await store.getByIds(ids);
  same<TwindexDocument | undefined, typeof first>();
  const bytes: Uint8Array<ArrayBuffer> = await store.serialize();
  await store.save('directory', saveOptions);
  const plain: VectorStore = await store.store;
  await index({ docsSource: documents, recordManager, vectorStore: store, options: { cleanup: 'full' } });

  await SemanticSimilarityExampleSelector.fromExamples([{ dish: 'soup' }], embeddings, TwindexVectorStore, { k: 1 });

  const chain = RunnableSequence.from([
    store.asRetriever(),
    (found: DocumentInterface[]): string => found.map(({ pageContent }) => pageContent).join('\n'),
  ]);
  const answer: string = await chain.invoke('a');
  store.free();
  store[Symbol.dispose]();
  return `${answer} ${bytes.length} ${await plain.count()}`;
}

export async function misuse(store: TwindexVectorStore): Promise<void> {
  // @ts-expect-error embeddings are needed
  new TwindexVectorStore();
  // @ts-expect-error there is no such option
  new TwindexVectorStore(embeddings, { metric: 'cosine' });
  // @ts-expect-error there is no such strategy
  new TwindexVectorStore(embeddings, { distanceStrategy: 'euclidean' });
  // @ts-expect-error what to delete has to be said
  await store.delete({ deleteAll: false });
  // @ts-expect-error a filter holds no dates
  await store.similaritySearch('a', 3, { when: new Date() });
  // @ts-expect-error a filter function answers with true or false
  await store.similaritySearch('a', 3, () => 'yes');
  // @ts-expect-error k is needed, as in LangChain
  await store.maxMarginalRelevanceSearch('a', { lambda: 0.5 });
  // @ts-expect-error the store behind it comes as a promise
  await store.store.count();
}
