/**
 * Twindex: LangChain's FAISS vector store in WebAssembly, for browsers, workers and Node.
 *
 * Exact search over f32 vectors, metadata filters inside the search, MMR, ids, delete, merge; one byte format shared with the
 * native library, so that an index built on a server opens here and gives the same hits with the same scores.
 *
 * Every method returns a promise. Work runs on the calling thread; `twindex/worker` offers the same class off it.
 *
 * @packageDocumentation
 */

/** A value of a document's metadata: what JSON has. An integer beyond 2^53, which a number cannot hold, is a bigint. */
export type MetadataValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

/** What is known about a document: any JSON object, nested at most 96 levels. */
export type Metadata = { [key: string]: MetadataValue };

/** A document as a store gives it: LangChain's `Document`, with the id it is stored under. */
export interface Document {
  /** The text. */
  pageContent: string;
  /** A copy of what is known about it: changing it changes nothing in the store. */
  metadata: Metadata;
  /** The id. */
  id: string;
}

/** A document to store. LangChain.js documents are such. */
export interface DocumentInput {
  /** The text. */
  pageContent: string;
  /**
   * Any JSON object; `{}` unless given. Dates, functions, `undefined` inside lists, NaN, class instances and cycles are refused with
   * `invalid_metadata`; a bigint is taken only where a number could not hold it. A key whose value is `undefined` counts as absent.
   */
  metadata?: object | null | undefined;
  /** The id; a version 4 UUID is made for a document that has none. */
  id?: string | null | undefined;
}

/** One vector. */
export type Vector = Float32Array | Float64Array | readonly number[];

/**
 * Several vectors: a list of them, or one flat `Float32Array`, row after row. The dimension of flat vectors is that of the store, else the option
 * `dim`, which a store without vectors needs.
 */
export type Vectors = Float32Array | readonly Vector[];

/** Turns texts into vectors: LangChain.js's `Embeddings` are such, and any object with these two methods. */
export interface Embeddings {
  /** One vector a text, in the order of the texts. */
  embedDocuments(texts: string[]): Promise<readonly Vector[]> | readonly Vector[];
  /** The vector of a text to search for. */
  embedQuery(text: string): Promise<Vector> | Vector;
}

/**
 * How vectors are compared: LangChain's distance strategies, also by their short names.
 *
 * | strategy | score of a hit | better | relevance |
 * | --- | --- | --- | --- |
 * | `EUCLIDEAN_DISTANCE`, `l2` (default) | squared distance, as FAISS gives it | lower | 1 - score / sqrt(2) |
 * | `MAX_INNER_PRODUCT`, `DOT_PRODUCT`, `ip` | inner product | higher | the score |
 * | `COSINE`, `cosine` | cosine similarity | higher | the score |
 */
export type DistanceStrategy =
  | 'EUCLIDEAN_DISTANCE'
  | 'MAX_INNER_PRODUCT'
  | 'DOT_PRODUCT'
  | 'COSINE'
  | 'l2'
  | 'ip'
  | 'cosine';

/** What the value of a metadata field is asked for. All operators of one object must hold. */
export interface FieldOperators {
  /** Equals; numbers by value, lists and maps as a whole; `true` is not 1. */
  $eq?: MetadataValue;
  /** Does not equal. An absent field counts as null. */
  $ne?: MetadataValue;
  /** The same as `$ne`. */
  $neq?: MetadataValue;
  /** Is greater; values of unlike types never are. */
  $gt?: MetadataValue;
  /** Is greater or equal. */
  $gte?: MetadataValue;
  /** Is less. */
  $lt?: MetadataValue;
  /** Is less or equal. */
  $lte?: MetadataValue;
  /** Equals one of the items. */
  $in?: readonly MetadataValue[];
  /** Equals none of the items. */
  $nin?: readonly MetadataValue[];
  /** Is a list with this item, or a string with this substring. */
  $contains?: MetadataValue;
  /** Is there at all; null counts as there. */
  $exists?: boolean;
}

/**
 * Conditions on metadata, all of which must hold; `{}` accepts everything. `author.name` is the key of that name, else a path. A list
 * as a condition is `$in`.
 *
 * @example { lang: 'en', page: { $gte: 3 }, $or: [{ tags: { $contains: 'food' } }, { draft: { $exists: false } }] }
 */
export interface FilterObject {
  /** All of these hold. */
  $and?: readonly FilterObject[];
  /** At least one of these holds. */
  $or?: readonly FilterObject[];
  /** This does not hold. */
  $not?: FilterObject;
  /** A condition on a field. */
  [field: string]: MetadataValue | FieldOperators | FilterObject | readonly FilterObject[] | undefined;
}

/**
 * Which documents may come back: conditions, or a function, asked for every document, that returns `true` or `false` at once. Filters work inside the
 * search: as many matches as asked for come back, if they exist.
 */
export type Filter = FilterObject | ((document: Document) => boolean);

/** For calls that may be cancelled. */
export interface Cancellable {
  /** Cancels the call: it rejects with the signal's reason, and nothing is changed. */
  signal?: AbortSignal | undefined;
}

/** How a store is made. */
export interface StoreOptions {
  /** How vectors are compared; squared Euclidean distance unless told. */
  distanceStrategy?: DistanceStrategy | undefined;
  /** Scale vectors and queries to unit length when they come in; no unless told. */
  normalizeL2?: boolean | undefined;
  /** Numbers per vector; that of the first vectors unless told. */
  dim?: number | undefined;
  /** Turns a raw score into a relevance, in place of the strategy's own function. It is not saved. */
  relevanceScoreFn?: ((score: number) => number) | undefined;
  /** Told what LangChain would warn about; `console.warn` unless given. */
  onWarning?: ((warning: StoreWarning) => void) | undefined;
}

/** What LangChain would warn about: `relevance_out_of_range` or `no_relevant_docs`. */
export interface StoreWarning {
  /** A stable name. */
  code: 'relevance_out_of_range' | 'no_relevant_docs';
  /** A sentence. */
  message: string;
}

/** How texts are embedded. */
export interface EmbedOptions extends Cancellable {
  /** Texts per call of `embedDocuments`; 64 unless told. */
  batchSize?: number | undefined;
  /** Called after each batch, and awaited. What it throws, or its promise rejects with, ends the call, and nothing is added. */
  onProgress?: ((progress: Progress) => void | Promise<void>) | undefined;
}

/** How far an embedding is. */
export interface Progress {
  /** Texts embedded. */
  done: number;
  /** Texts to embed in all. */
  total: number;
}

/** How documents are added. */
export interface AddOptions extends EmbedOptions {
  /** An id for each document, in place of its own. */
  ids?: readonly (string | null | undefined)[] | undefined;
}

/** How vectors are added. */
export interface AddVectorsOptions extends Cancellable {
  /** An id for each document, in place of its own. */
  ids?: readonly (string | null | undefined)[] | undefined;
  /** Numbers per vector of a flat `Float32Array`; the store's unless told. */
  dim?: number | undefined;
}

/** Options of a search. */
export interface SearchOptions extends Cancellable {
  /** How many documents at most; 4 unless told. */
  k?: number | undefined;
  /** Which documents may come back; all unless told. */
  filter?: Filter | undefined;
  /** LangChain's number of candidates to filter. Taken and without effect: matches are never lost to it. */
  fetchK?: number | undefined;
  /**
   * Keep only documents at least this good by raw score (inclusive): at most this squared distance for L2, at least this product otherwise. In
   * searches by relevance it is a least relevance.
   */
  scoreThreshold?: number | undefined;
  /**
   * Search approximately: each of the best `k` is found with at least this probability, above 0 and at most 1; 1, searching exactly, unless told. What is found has
   * the scores of an exact search. No effect among fewer than 4,096 vectors, nor where signs of numbers tell too little; for flat indexes only, others say `unsupported_by_index`.
   *
   * Needs a binary that can: `init(source)` with the `source` of `twindex/approximate` before the first call; others say `invalid_option`. The first such search makes codes of one bit a
   * number (RaBitQ: Gao and Long, SIGMOD 2024).
   */
  recall?: number | undefined;
}

/** Options of a search by maximal marginal relevance. */
export interface MmrOptions extends Omit<SearchOptions, 'recall'> {
  /** How many of the best matching documents to choose from; 20 unless told. */
  fetchK?: number | undefined;
  /** Balance: 1 is pure relevance, 0 pure diversity; 0.5 unless told. */
  lambda?: number | undefined;
}

/** LangChain's search types. */
export type SearchType = 'similarity' | 'similarity_score_threshold' | 'mmr';

/** How a retriever searches. */
export interface RetrieverOptions {
  /** Kind of search; `similarity` unless told. */
  searchType?: SearchType | undefined;
  /** Options of every search. */
  searchKwargs?: MmrOptions | undefined;
}

/** Finds documents for a question. */
export interface Retriever {
  /** The documents for a question; options given here take the place of the retriever's own, one by one (`null` takes one away). */
  invoke(query: string, options?: { [K in keyof MmrOptions]?: MmrOptions[K] | null }): Promise<Document[]>;
  /** Adds documents to the store behind it. */
  addDocuments(documents: readonly DocumentInput[], options?: AddOptions): Promise<string[]>;
}

/** What to delete: ids, or everything a filter accepts. */
export type DeleteOptions =
  | {
      /** The ids; an empty list deletes nothing. */
      ids: readonly string[];
      /** Pass over ids that the store does not have, where they would be `unknown_id`. */
      ignoreUnknown?: boolean | undefined;
    }
  | {
      /** Which documents; `{}` accepts, and so deletes, all of them. */
      filter: Filter;
    };

/** Where stores are kept. */
export interface StorageOptions {
  /**
   * In Node: the folder that `{name}.twindex` lies in; the current one unless told. In browsers: a folder of that name in the origin's
   * private file system (or in IndexedDB where there is none); `twindex` unless told.
   */
  directory?: string | undefined;
}

/**
 * How vectors stand in a file: `f32` as they are; `f16` in a half of the bytes, each number rounded to 11 bits; `i8` in about a quarter, each number rounded to
 * a multiple of a 127th of the vector's largest. Whichever it is, an opened store holds the numbers that the file stands for as f32, the same bits on every
 * target, and writes them again without any loss.
 */
export type VectorEncoding = 'f32' | 'f16' | 'i8';

/** What vectors lose in an encoding: by how much of its length a vector changes, from 0 to 1. */
export interface VectorLoss {
  /** The most that a vector loses. */
  largest: number;
  /** The mean over all vectors. */
  mean: number;
}

/** How a store is written. */
export interface SerializeOptions {
  /**
   * How vectors stand in what is written: as in what the store was opened from unless told, `f32` if it was made. Other than `f32`:
   * `unsupported_by_index` if the index is not flat; `invalid_option` for a number that `f16` does not reach (65,504), and for a vector that would become
   * all zeros in a cosine store.
   */
  vectors?: VectorEncoding | undefined;
}

/** What an existing store is opened with. Settings given must agree with the stored ones (`setting_mismatch`). */
export interface OpenOptions extends StoreOptions, Cancellable {}

/**
 * Files as a person has them: `File`s that were dropped or picked, or contents by name, such as
 * `{ 'index.faiss': await fetch(...), 'index.pkl': bytes }`. Folders before a name are passed over.
 */
export type Files =
  | Iterable<File>
  | Readonly<Record<string, Blob | Response | Uint8Array | ArrayBuffer>>;

/** How {@link VectorStore.fromLangChain} reads. The files do not say `normalizeL2`, nor cosine. */
export interface LangChainOptions extends StoreOptions, Cancellable {
  /** Which of several indexes: `indexName` names `indexName.faiss` and `indexName.pkl`. */
  indexName?: string | undefined;
}

/** How {@link VectorStore.toLangChain} writes. */
export interface LangChainFormat {
  /**
   * `langchain` (the default) for Python: `index.faiss` and `index.pkl`; `langchain-js` for LangChain.js: `faiss.index` and `docstore.json`;
   * `langchain-pickle` for what Python's `deserialize_from_bytes` takes; `faiss` for the index alone.
   */
  format?: 'langchain' | 'langchain-js' | 'langchain-pickle' | 'faiss' | undefined;
  /** Name of the files; `index` unless given. */
  indexName?: string | undefined;
}

/** What was found in somebody else's files, and what became of it. */
export interface ImportReport {
  /** What it was, such as `LangChain folder (Python, pickle protocol 4)`. */
  source: string;
  /** FAISS's class of the index and its kind: `IndexIVFFlat (IVF16,Flat)`. */
  index: string;
  /** How many documents. */
  documents: number;
  /** What changed its type on the way, and how often: `{ 'datetime to string': 3 }`. */
  converted: Record<string, number>;
  /** What could not be kept, in words. */
  lost: string[];
}

/** What a store is and what it takes in memory. */
export interface StoreInfo {
  /** How many documents. */
  count: number;
  /** Numbers per vector, once known. */
  dim: number | null;
  /** LangChain's name of the strategy. */
  distanceStrategy: 'EUCLIDEAN_DISTANCE' | 'MAX_INNER_PRODUCT' | 'COSINE';
  /** Whether vectors and queries are scaled to unit length. */
  normalizeL2: boolean;
  /** Kind of index, as FAISS's `index_factory` names it. */
  kind: string;
  /** How vectors stand in what the store was opened from, and in what it is written to unless told otherwise. */
  vectors: VectorEncoding;
  /** What searches run on. */
  simd: 'simd128' | 'relaxed-simd';
  /** Bytes that vectors take in memory. */
  vectorBytes: number;
  /** Bytes that documents take, as far as they are known. */
  documentBytes: number;
  /** Search parameters of an index that is not flat: `nlist`, `nprobe`, `efSearch`. */
  parameters?: Record<string, number>;
}

/**
 * Documents with vectors, searchable: LangChain's FAISS store.
 *
 * Searches and changes of one store happen one after another, each whole; what a call takes in is copied when it is called (the very first call, when it has
 * loaded the module: call `init` before, or leave alone what it was given). A call that rejects
 * has changed nothing. Memory is given back by {@link VectorStore.free}, by `using`, or when the store is garbage collected.
 *
 * @example
 * const store = await VectorStore.fromTexts(['a spoon for soup', 'a fork'], null, embeddings);
 * const [best] = await store.similaritySearch('soup', 1);
 */
export class VectorStore implements AsyncIterable<Document> {
  private constructor();

  /** An empty store. */
  static create(embeddings?: Embeddings | null, options?: StoreOptions & Cancellable): Promise<VectorStore>;

  /** A store of texts, with one metadata object for each, or one for all. */
  static fromTexts(
    texts: readonly string[],
    metadatas: readonly (object | null | undefined)[] | object | null | undefined,
    embeddings: Embeddings,
    options?: StoreOptions & AddOptions,
  ): Promise<VectorStore>;

  /** A store of documents. */
  static fromDocuments(
    documents: readonly DocumentInput[],
    embeddings: Embeddings,
    options?: StoreOptions & AddOptions,
  ): Promise<VectorStore>;

  /** A store of documents whose vectors are there already. */
  static fromVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    embeddings?: Embeddings | null,
    options?: StoreOptions & AddVectorsOptions,
  ): Promise<VectorStore>;

  /**
   * A store from the bytes of {@link VectorStore.serialize}, or from a file that the native library wrote. Nothing in them is ever executed.
   * `not_a_store`, `newer_version`, `truncated`, `checksum_mismatch`, `corrupt` for damaged or foreign bytes.
   */
  static deserialize(
    bytes: Uint8Array | ArrayBuffer | Blob | Response,
    embeddings?: Embeddings | null,
    options?: OpenOptions,
  ): Promise<VectorStore>;

  /**
   * Opens what LangChain saved, in Python or JavaScript, a serialized pickle, or an index file of FAISS's alone. Nothing in them is ever executed: a pickle
   * is read as data, and a class that is not on a short list is refused by name (`unsupported_content`). An index that is not flat (IVF,
   * HNSW, quantized) keeps its structure and is searched as FAISS would. What changed on the way is in {@link VectorStore.importReport}.
   */
  static fromLangChain(
    files: Files,
    embeddings?: Embeddings | null,
    options?: LangChainOptions,
  ): Promise<VectorStore>;

  /** A store saved under a name: `file_not_found` if there is none. */
  static load(
    name: string,
    embeddings?: Embeddings | null,
    options?: OpenOptions & StorageOptions,
  ): Promise<VectorStore>;

  /** The names of the stores saved, sorted. */
  static list(options?: StorageOptions): Promise<string[]>;

  /** Removes a saved store; whether there was one. */
  static remove(name: string, options?: StorageOptions): Promise<boolean>;

  /** Adds texts and returns their ids, in order. Nothing is changed if a single one cannot be added. */
  addTexts(
    texts: readonly string[],
    metadatas?: readonly (object | null | undefined)[] | object | null,
    options?: AddOptions,
  ): Promise<string[]>;

  /** Adds documents and returns their ids, in order. */
  addDocuments(documents: readonly DocumentInput[], options?: AddOptions): Promise<string[]>;

  /** Adds documents whose vectors are there already, and returns their ids, in order. */
  addVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    options?: AddVectorsOptions,
  ): Promise<string[]>;

  /** Adds documents, taking the place of those with the same ids. A replaced document moves to the end. */
  upsert(documents: readonly DocumentInput[], options?: AddOptions): Promise<string[]>;

  /** {@link VectorStore.upsert} with vectors that are there already. */
  upsertVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    options?: AddVectorsOptions,
  ): Promise<string[]>;

  /** The documents nearest to a text, best first. */
  similaritySearch(query: string, k?: number | SearchOptions, filter?: Filter | null): Promise<Document[]>;

  /** The documents nearest to a text with their raw scores, best first. */
  similaritySearchWithScore(
    query: string,
    k?: number | SearchOptions,
    filter?: Filter | null,
  ): Promise<[Document, number][]>;

  /** The documents nearest to a vector, best first. */
  similaritySearchByVector(
    vector: Vector,
    k?: number | SearchOptions,
    filter?: Filter | null,
  ): Promise<Document[]>;

  /** The documents nearest to a vector with their raw scores, best first. */
  similaritySearchVectorWithScore(
    vector: Vector,
    k?: number | SearchOptions,
    filter?: Filter | null,
  ): Promise<[Document, number][]>;

  /** The answers to many queries, texts or vectors, each as of {@link VectorStore.similaritySearchWithScore}. */
  similaritySearchBatch(
    queries: readonly string[] | Vectors,
    k?: number | SearchOptions,
    filter?: Filter | null,
  ): Promise<[Document, number][][]>;

  /** The documents nearest to a text with relevances, usually 0 to 1, higher is better; `scoreThreshold` is a least relevance. */
  similaritySearchWithRelevanceScores(
    query: string,
    k?: number | SearchOptions,
    filter?: Filter | null,
  ): Promise<[Document, number][]>;

  /** Documents near to a text and unlike each other. A bare number is `k`. */
  maxMarginalRelevanceSearch(query: string, options?: number | MmrOptions): Promise<Document[]>;

  /** Documents near to a vector and unlike each other. */
  maxMarginalRelevanceSearchByVector(vector: Vector, options?: number | MmrOptions): Promise<Document[]>;

  /** Documents near to a vector and unlike each other, each with its own raw score. */
  maxMarginalRelevanceSearchWithScoreByVector(
    vector: Vector,
    options?: number | MmrOptions,
  ): Promise<[Document, number][]>;

  /** A search of the type asked for. */
  search(query: string, searchType: SearchType, options?: number | MmrOptions): Promise<Document[]>;

  /** A retriever over this store. `score_threshold_required` for that search type without a threshold. */
  asRetriever(options?: RetrieverOptions): Promise<Retriever>;

  /** Deletes documents and returns how many. The rest closes up in order, and the space is used again. */
  delete(options: DeleteOptions): Promise<number>;

  /** The documents of these ids, in the order asked; unknown ids are passed over. */
  getByIds(ids: readonly string[]): Promise<Document[]>;

  /** Adds everything another store has. The other is left as it was. */
  mergeFrom(other: VectorStore): Promise<void>;

  /** The store as bytes, the same on every target for the same content. The store itself stays as it is. */
  serialize(options?: SerializeOptions): Promise<Uint8Array<ArrayBuffer>>;

  /** What the vectors would lose if the store was written so. Nothing is written. */
  vectorLoss(vectors: VectorEncoding): Promise<VectorLoss>;

  /**
   * Saves the store under a name: a file `{name}.twindex` in Node, OPFS in browsers that have it, else IndexedDB. Atomic: whoever loads the name
   * gets the old store or the new one, whole, even if the tab closes half-way. `quota_exceeded` if there is no room.
   */
  save(name: string, options?: StorageOptions & SerializeOptions & Cancellable): Promise<void>;

  /** The files of a folder that LangChain opens, by name, and what they do not keep. */
  toLangChain(options?: LangChainFormat): Promise<{ files: Record<string, Uint8Array<ArrayBuffer>>; report: ImportReport }>;

  /** What {@link VectorStore.fromLangChain} found; null for a store that came another way. */
  importReport(): Promise<ImportReport | null>;

  /**
   * Sets how far a search looks: `nprobe` of an IVF index, `efSearch` of an HNSW one, `k_factor` of one that refines. Saved with the store.
   * `unsupported_by_index` if it has no such parameter.
   */
  setSearchParameter(name: 'nprobe' | 'efSearch' | 'k_factor', value: number): Promise<void>;

  /** How many documents there are. */
  count(): Promise<number>;

  /** All ids, by position. */
  ids(): Promise<string[]>;

  /** The vector of a document, as it is stored. */
  getVector(id: string): Promise<Float32Array<ArrayBuffer>>;

  /** All vectors by position, row after row. */
  getVectors(): Promise<Float32Array<ArrayBuffer>>;

  /** What the store is and what it takes in memory. */
  info(): Promise<StoreInfo>;

  /** All documents, by position, fetched 256 at a time. What is deleted before it is fetched is passed over, what is added meanwhile does not come. */
  documents(): AsyncIterableIterator<Document>;

  /** The same as {@link VectorStore.documents}. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Document>;

  /** Gives the memory back. Calls under way end as if it had not been called; later ones reject with `store_freed`. May be called twice. */
  free(): void;

  /** The same as {@link VectorStore.free}, for `using`. */
  [Symbol.dispose](): void;
}

/** What can go wrong. `code` is stable, and the same as in the native library where the cause is. */
export class VectorStoreError extends Error {
  /** Makes one. */
  constructor(message: string, code: string, options?: ErrorOptions);
  /** A stable name for the cause, such as `dimension_mismatch`; the README lists them. */
  readonly code: string;
}

/** What the WebAssembly module can be given as. */
export type WasmSource =
  | URL
  | string
  | Response
  | Promise<Response>
  | ArrayBuffer
  | Uint8Array
  | WasmModule;

/** A `WebAssembly.Module`, where the libraries that a project is typed by know of one. */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer M } } } ? M : object;

/**
 * Loads the WebAssembly module. Not needed: the first call of {@link VectorStore} loads the binary that suits the engine from beside this file.
 * Call it to load early, or to say where the module is, as edge runtimes need. Once loaded, later calls do nothing; `simd_unavailable`
 * where the engine has no WebAssembly SIMD.
 */
export function init(source?: WasmSource): Promise<void>;

/**
 * Loads the second WebAssembly module, which other people's files and indexes that are not flat need. Not needed either: it is loaded when
 * one of these is met. Edge runtimes give it `twindex/twindex-interop.wasm`.
 */
export function initInterop(source?: WasmSource): Promise<void>;

/** The version of this package. */
export const version: string;
