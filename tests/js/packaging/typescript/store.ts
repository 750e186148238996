// Every method and option of the store, with the types that come back written out.
import {
  init,
  VectorStore,
  VectorStoreError,
  version,
  type AddOptions,
  type AddVectorsOptions,
  type Cancellable,
  type DeleteOptions,
  type DistanceStrategy,
  type Document,
  type DocumentInput,
  type Embeddings,
  type EmbedOptions,
  type FieldOperators,
  type Filter,
  type FilterObject,
  type Metadata,
  type MetadataValue,
  type MmrOptions,
  type OpenOptions,
  type Progress,
  type Retriever,
  type RetrieverOptions,
  type SearchOptions,
  type SearchType,
  type StorageOptions,
  type StoreInfo,
  type StoreOptions,
  type StoreWarning,
  type Vector,
  type Vectors,
  type WasmSource,
} from 'twindex';
import { source } from 'twindex/approximate';

/** Both types are the same, and neither is `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._proof: Same<A, B> extends true ? [] : [never]): void => undefined;

declare const response: Response;
declare const module_: WebAssembly.Module;

export async function load(): Promise<void> {
  const sources: WasmSource[] = [
    new URL('https://example.org/twindex.wasm'),
    'twindex.wasm',
    response,
    Promise.resolve(response),
    new ArrayBuffer(8),
    new Uint8Array(8),
    module_,
  ];
  for (const source of sources) await init(source);
  same<ReturnType<typeof init>, Promise<void>>();
  same<typeof version, string>();
}

const synchronous: Embeddings = {
  embedDocuments: (texts) => texts.map((text) => [text.length]),
  embedQuery: (text) => new Float64Array([text.length]),
};
const embeddings: Embeddings = {
  embedDocuments: async (texts: string[]) => texts.map((text) => new Float32Array([text.length])),
  embedQuery: async (text: string) => [text.length],
};

interface Page {
  url: string;
  depth: number;
}
const page: Page = { url: '/', depth: 1 };
const signal: AbortSignal = new AbortController().signal;
const cancellable: Cancellable = { signal };

const strategies: DistanceStrategy[] = [
  'EUCLIDEAN_DISTANCE',
  'MAX_INNER_PRODUCT',
  'DOT_PRODUCT',
  'COSINE',
  'l2',
  'ip',
  'cosine',
];
const warned = (warning: StoreWarning): void => {
  same<typeof warning.code, 'relevance_out_of_range' | 'no_relevant_docs'>();
};
const storeOptions: StoreOptions = {
  distanceStrategy: strategies[0],
  normalizeL2: true,
  dim: 3,
  relevanceScoreFn: (score) => 1 - score,
  onWarning: warned,
};
const embedOptions: EmbedOptions = {
  ...cancellable,
  batchSize: 16,
  onProgress: ({ done, total }: Progress) => void (done / total),
};
const addOptions: AddOptions = { ...embedOptions, ids: ['a', null, undefined] };
const addVectorsOptions: AddVectorsOptions = { ids: ['a'], dim: 2, signal };
const openOptions: OpenOptions = { ...storeOptions, signal };
const storage: StorageOptions = { directory: 'stores' };

const documents: DocumentInput[] = [
  { pageContent: 'a' },
  { pageContent: 'b', metadata: page, id: 'b' },
  { pageContent: 'c', metadata: null, id: null },
];
const vectors: Vectors[] = [
  new Float32Array(6),
  [[1, 2], new Float32Array(2), new Float64Array(2)],
  [] as const,
];
const vector: Vector = [1, 2] as const;

const operators: FieldOperators = {
  $eq: 1,
  $ne: null,
  $neq: 'x',
  $gt: 1,
  $gte: 2n,
  $lt: 'b',
  $lte: 3,
  $in: [1, 'two', true],
  $nin: [null],
  $contains: 'x',
  $exists: false,
};
const filters: Filter[] = [
  {},
  { lang: 'en', page: { $gte: 3 }, $or: [{ tags: { $contains: 'food' } }, { draft: { $exists: false } }] },
  { $and: [{ a: 1 }, { b: [1, 2] }], $not: { c: null } },
  { field: operators },
  (document: Document) => document.metadata['lang'] === 'en',
  ({ id, pageContent }) => id === pageContent,
];
const conditions: FilterObject = { n: 12345678901234567890n };
const searchOptions: SearchOptions = { k: 4, filter: conditions, fetchK: 20, scoreThreshold: 0.5, signal };
const mmrOptions: MmrOptions = { ...searchOptions, lambda: 0.5 };
const types: SearchType[] = ['similarity', 'similarity_score_threshold', 'mmr'];
const retrieverOptions: RetrieverOptions = { searchType: 'mmr', searchKwargs: mmrOptions };
const deletions: DeleteOptions[] = [
  { ids: ['a'] },
  { ids: ['a'] as const, ignoreUnknown: true },
  { filter: {} },
  { filter: () => true },
];

export async function make(): Promise<VectorStore[]> {
  return [
    await VectorStore.create(),
    await VectorStore.create(null, storeOptions),
    await VectorStore.create(embeddings),
    await VectorStore.fromTexts(['a', 'b'], [page, null], embeddings, { ...storeOptions, ...addOptions }),
    await VectorStore.fromTexts(['a'] as const, { lang: 'en' }, synchronous),
    await VectorStore.fromTexts(['a'], null, embeddings),
    await VectorStore.fromTexts(['a'], undefined, embeddings),
    await VectorStore.fromDocuments(documents, embeddings, addOptions),
    await VectorStore.fromVectors(vectors[0]!, documents, null, { ...storeOptions, ...addVectorsOptions }),
    await VectorStore.fromVectors([vector], documents),
    await VectorStore.deserialize(new Uint8Array(8), embeddings, openOptions),
    await VectorStore.deserialize(new ArrayBuffer(8), null),
    await VectorStore.deserialize(new Blob([])),
    await VectorStore.deserialize(response),
    await VectorStore.load('name', embeddings, { ...openOptions, ...storage }),
    await VectorStore.load('name'),
  ];
}

export async function use(store: VectorStore): Promise<void> {
  same<Promise<string[]>, ReturnType<typeof store.addTexts>>();
  const ids: string[] = await store.addTexts(['a'], [page], addOptions);
  await store.addTexts(['a', 'b'], page);
  await store.addTexts(['a']);
  ids.push(...(await store.addDocuments(documents, addOptions)));
  ids.push(...(await store.addVectors(vectors[1]!, documents, addVectorsOptions)));
  ids.push(...(await store.upsert(documents, addOptions)));
  ids.push(...(await store.upsertVectors(vectors[2]!, documents, addVectorsOptions)));

  for (const filter of filters) {
    same<Promise<Document[]>, ReturnType<typeof store.similaritySearch>>();
    const found: Document[] = await store.similaritySearch('a', 3, filter);
    const scored: [Document, number][] = await store.similaritySearchWithScore('a', {
      ...searchOptions,
      filter,
    });
    const byVector: Document[] = await store.similaritySearchByVector(vector, 3, filter);
    const scoredByVector: [Document, number][] = await store.similaritySearchVectorWithScore(
      vector,
      3,
      filter,
    );
    const batch: [Document, number][][] = await store.similaritySearchBatch(['a', 'b'], 3, filter);
    const relevant: [Document, number][] = await store.similaritySearchWithRelevanceScores(
      'a',
      searchOptions,
      null,
    );
    read([
      ...found,
      ...byVector,
      ...[...scored, ...scoredByVector, ...batch.flat(), ...relevant].map(([document]) => document),
    ]);
  }
  await store.similaritySearchBatch(new Float32Array(4));
  await store.similaritySearchBatch([vector, [1, 2]], searchOptions);

  read(await store.maxMarginalRelevanceSearch('a', mmrOptions));
  read(await store.maxMarginalRelevanceSearch('a', 3));
  read(await store.maxMarginalRelevanceSearchByVector(vector, mmrOptions));
  const [hit]: [Document, number][] = await store.maxMarginalRelevanceSearchWithScoreByVector(vector, 3);
  same<typeof hit, [Document, number] | undefined>();
  for (const type of types) read(await store.search('a', type, mmrOptions));

  const retriever: Retriever = await store.asRetriever(retrieverOptions);
  read(await retriever.invoke('a', { k: 2, filter: null }));
  ids.push(...(await retriever.addDocuments(documents, addOptions)));

  for (const deletion of deletions)
    (same<Promise<number>, ReturnType<typeof store.delete>>(), await store.delete(deletion));
  read(await store.getByIds(ids));
  same<Promise<void>, ReturnType<typeof store.mergeFrom>>();
  await store.mergeFrom(store);

  const bytes: Uint8Array<ArrayBuffer> = await store.serialize();
  await store.save('name', { ...storage, signal });
  const names: string[] = await VectorStore.list(storage);
  const removed: boolean = await VectorStore.remove(names[0] ?? '', storage);
  const count: number = await store.count();
  const all: string[] = await store.ids();
  const one: Float32Array<ArrayBuffer> = await store.getVector('a');
  const every: Float32Array<ArrayBuffer> = await store.getVectors();
  const info: StoreInfo = await store.info();
  await init(source);
  same<typeof source, string>();
  await store.similaritySearch('a', { k: 1, recall: 0.99 });
  same<typeof info.dim, number | null>();
  same<typeof info.simd, 'simd128' | 'relaxed-simd'>();
  same<typeof info.distanceStrategy, 'EUCLIDEAN_DISTANCE' | 'MAX_INNER_PRODUCT' | 'COSINE'>();
  same<typeof info.normalizeL2, boolean>();
  void [
    bytes.length,
    removed,
    count,
    all,
    one[0],
    every[0],
    info.count,
    info.kind,
    info.vectorBytes,
    info.documentBytes,
  ];

  for await (const document of store) read([document]);
  for await (const document of store.documents()) read([document]);
  store.free();
  store[Symbol.dispose]();
}

export async function scoped(): Promise<number> {
  using store = await VectorStore.create(embeddings);
  return store.count();
}

function read(found: Document[]): void {
  for (const { id, pageContent, metadata } of found) {
    same<typeof id, string>();
    same<typeof pageContent, string>();
    same<typeof metadata, Metadata>();
    const value: MetadataValue | undefined = metadata['field'];
    if (typeof value === 'bigint') void (value + 1n);
  }
}

export function explain(error: unknown): string {
  if (!(error instanceof VectorStoreError)) return String(error);
  same<typeof error.code, string>();
  const own: Error = new VectorStoreError('message', 'code', { cause: error });
  return `${error.code}: ${error.message}${own.stack ?? ''}`;
}
