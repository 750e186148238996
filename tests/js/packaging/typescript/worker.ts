// What twindex/worker has beyond, or unlike, the store of the calling thread.
import { VectorStore as MainVectorStore, VectorStoreError as MainError } from 'twindex';
import {
  init,
  terminate,
  VectorStore,
  VectorStoreError,
  version,
  type AddVectorsOptions,
  type Document,
  type DocumentInput,
  type Embeddings,
  type OpenOptions,
  type RunningWorker,
  type StoreOptions,
  type TransferOptions,
  type Vectors,
  type WorkerOptions,
} from 'twindex/worker';

declare const embeddings: Embeddings;
declare const worker: RunningWorker;
declare const page: Worker;
declare const documents: DocumentInput[];

const given: TransferOptions & AddVectorsOptions = {
  transfer: true,
  dim: 2,
  signal: new AbortController().signal,
};
const storeOptions: StoreOptions = { distanceStrategy: 'cosine', onWarning: ({ code }) => code };
const openOptions: OpenOptions = { ...storeOptions, dim: 2 };
const workers: WorkerOptions[] = [
  {},
  { worker },
  { worker: page },
  { worker: new URL('https://example.org/host.mjs') },
  { worker: 'host.mjs' },
];

export async function make(bytes: ArrayBuffer): Promise<VectorStore[]> {
  for (const options of workers) await init(undefined, options);
  await init(new Response());
  return [
    await VectorStore.create(embeddings, storeOptions),
    await VectorStore.fromTexts(['a'], null, embeddings, { ...storeOptions, batchSize: 2 }),
    await VectorStore.fromDocuments(documents, embeddings),
    await VectorStore.fromVectors(new Float32Array(2), documents, null, given),
    await VectorStore.deserialize(bytes, embeddings, { ...openOptions, transfer: true }),
    await VectorStore.load('name', embeddings, { directory: 'stores' }),
  ];
}

export async function use(store: VectorStore, other: VectorStore): Promise<string> {
  const vectors: Vectors = new Float32Array(2);
  const ids: string[] = await store.addVectors(vectors, documents, given);
  await store.upsertVectors(vectors, documents, given);
  await store.mergeFrom(other);
  const hits: [Document, number][] = await store.similaritySearchWithScore(
    'a',
    { k: 3 },
    (document: Document) => document.id !== 'b',
  );
  for await (const { id } of store) ids.push(id);
  const onPage: MainVectorStore = await MainVectorStore.deserialize(await store.serialize());
  onPage.free();
  const names: string[] = await VectorStore.list();
  const removed: boolean = await VectorStore.remove('name');
  store[Symbol.dispose]();
  await terminate();
  const error: MainError = new VectorStoreError('message', 'code');
  return `${version} ${error.code} ${hits.length} ${names.length} ${removed}`;
}

export async function misuse(store: VectorStore, main: MainVectorStore): Promise<void> {
  // @ts-expect-error a store is not made with `new`
  new VectorStore();
  // @ts-expect-error a store of this thread is no store of the worker's
  await store.mergeFrom(main);
  // @ts-expect-error texts are not given away
  await store.addTexts(['a'], null, { transfer: true });
  // @ts-expect-error there is no such option
  await init(undefined, { url: 'host.mjs' });
  // @ts-expect-error a worker is told something
  await init(undefined, { worker: { terminate() {} } });
}
