// The module that wasm-bindgen writes, as far as it is used: what Rust exports takes anything and checks it.

export type Method =
  | 'addTexts'
  | 'addDocuments'
  | 'addVectors'
  | 'upsert'
  | 'upsertVectors'
  | 'similaritySearch'
  | 'similaritySearchWithScore'
  | 'similaritySearchByVector'
  | 'similaritySearchVectorWithScore'
  | 'similaritySearchBatch'
  | 'similaritySearchWithRelevanceScores'
  | 'maxMarginalRelevanceSearch'
  | 'maxMarginalRelevanceSearchByVector'
  | 'maxMarginalRelevanceSearchWithScoreByVector'
  | 'search'
  | 'asRetriever'
  | 'delete'
  | 'getByIds'
  | 'mergeFrom'
  | 'serialize'
  | 'count'
  | 'ids'
  | 'getVector'
  | 'getVectors'
  | 'info';

export type VectorStore = { free(): void } & Record<Method, (...args: unknown[]) => Promise<unknown>>;

export const VectorStore: {
  new (embeddings: unknown, options: unknown): VectorStore;
  deserialize(bytes: unknown, embeddings: unknown, options: unknown): Promise<VectorStore>;
};

export interface Retriever {
  invoke(...args: unknown[]): Promise<unknown>;
  addDocuments(...args: unknown[]): Promise<unknown>;
}

export function version(): string;

/** Put there by the build. */
export function startModule(module: WebAssembly.Module): Promise<unknown>;
