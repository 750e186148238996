/**
 * Twindex as a vector store of LangChain.js, in place of `MemoryVectorStore`, `FaissStore` or `HNSWLib`.
 *
 * @packageDocumentation
 */

import type { Callbacks } from '@langchain/core/callbacks/manager';
import type { Document, DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { SaveableVectorStore, type MaxMarginalRelevanceSearchOptions } from '@langchain/core/vectorstores';

import type {
  AddOptions,
  AddVectorsOptions,
  Cancellable,
  DeleteOptions,
  Files,
  Filter,
  LangChainOptions,
  Metadata,
  OpenOptions,
  SearchOptions,
  SerializeOptions,
  StoreOptions,
  Vector,
  Vectors,
  VectorStore as Store,
} from './index.js';

/** A document as it comes back: LangChain's own class, with the id it is stored under. */
export interface TwindexDocument extends Document<Metadata> {
  /** The id. */
  id: string;
}

/** What holds for everything that is added. */
export interface TwindexAddDefaults {
  /**
   * Put documents in the place of those with the same ids, which are `id_already_exists` otherwise; no unless told. LangChain's `index` needs it
   * where it has `forceUpdate`.
   */
  upsert?: boolean | undefined;
  /** Texts per call of `embedDocuments`; 64 unless told. */
  batchSize?: number | undefined;
}

/** How a store is made. */
export interface TwindexVectorStoreArgs extends StoreOptions, TwindexAddDefaults {
  /**
   * The store to use in place of a new one, of `twindex` or of `twindex/worker`; or a function that makes it, called with the embeddings when the
   * store is first needed. It embeds with what it was made with. The other options of a new store do not go with it (`invalid_option`).
   *
   * @example new TwindexVectorStore(embeddings, { store: (embeddings) => WorkerStore.load('manual', embeddings) })
   */
  store?: Store | Promise<Store> | ((embeddings: EmbeddingsInterface) => Store | Promise<Store>) | undefined;
}

/** How a store is made and filled. */
export interface TwindexFromArgs extends TwindexVectorStoreArgs, AddOptions {}

/** How documents are added. */
export interface TwindexAddOptions extends AddOptions, TwindexAddDefaults {}

/** How vectors are added. */
export interface TwindexAddVectorsOptions extends AddVectorsOptions {
  /** Put documents in the place of those with the same ids; what the store was made with unless told. */
  upsert?: boolean | undefined;
}

/** What a store is opened with. Settings given must agree with the stored ones (`setting_mismatch`). */
export interface TwindexOpenOptions extends OpenOptions, TwindexAddDefaults {}

/** How files of LangChain's are read. */
export interface TwindexImportOptions extends LangChainOptions, TwindexAddDefaults {}

/** What a saved store is loaded with. */
export interface TwindexLoadOptions extends TwindexOpenOptions {
  /** Which of the stores in the directory; `index` unless told. */
  indexName?: string | undefined;
}

/** How a store is saved. */
export interface TwindexSaveOptions extends SerializeOptions, Cancellable {
  /** Which of the stores in the directory; `index` unless told. */
  indexName?: string | undefined;
}

/** LangChain's options of a search by maximal marginal relevance, and two of ours. */
export type TwindexMmrOptions = MaxMarginalRelevanceSearchOptions<Filter> & Pick<SearchOptions, 'scoreThreshold' | 'signal'>;

/** What to delete: ids, everything a filter accepts, or all. */
export type TwindexDeleteOptions =
  | DeleteOptions
  | {
      /** Delete everything. */
      deleteAll: true;
    };

/**
 * Twindex behind LangChain.js's interface. Retrievers, chains and `index` take it as they take any other store.
 *
 * Scores are the raw scores of the distance strategy, as the store of `twindex` gives them: of the default, squared Euclidean distance, lower is
 * better; of `cosine` and `ip`, higher. Filters are those of `twindex`: an object of conditions, or a function that gets the document. Errors are
 * `VectorStoreError`s with a `code`.
 *
 * @example
 * const store = await TwindexVectorStore.fromTexts(['a spoon for soup', 'a fork'], [], embeddings);
 * const retriever = store.asRetriever({ k: 2, searchType: 'mmr', filter: { lang: 'en' } });
 */
export class TwindexVectorStore extends SaveableVectorStore {
  FilterType: Filter;

  /** An empty store, to be used at once: what it needs to wait for, its first call waits for. */
  constructor(embeddings: EmbeddingsInterface, args?: TwindexVectorStoreArgs);

  /** Its name when LangChain writes it down. */
  static lc_name(): string;

  /**
   * A store of texts, with one metadata object for each, or one for all; an empty list stands for none. Texts are only ever added: `upsert` holds for
   * what comes later.
   */
  static fromTexts(
    texts: string[],
    metadatas: object[] | object,
    embeddings: EmbeddingsInterface,
    args?: TwindexFromArgs,
  ): Promise<TwindexVectorStore>;

  /** A store of documents. */
  static fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface,
    args?: TwindexFromArgs,
  ): Promise<TwindexVectorStore>;

  /** A store over what `args.store` names, opened before this resolves; without it an empty one. */
  static fromExistingIndex(
    embeddings: EmbeddingsInterface,
    args?: TwindexVectorStoreArgs,
  ): Promise<TwindexVectorStore>;

  /** A store from the bytes of {@link TwindexVectorStore.serialize}, or from a file that the native library wrote. */
  static deserialize(
    bytes: Uint8Array | ArrayBuffer | Blob | Response,
    embeddings: EmbeddingsInterface,
    options?: TwindexOpenOptions,
  ): Promise<TwindexVectorStore>;

  /** What LangChain saved in Python or JavaScript: a folder's files, dropped or fetched. Nothing in them is ever executed. */
  static fromLangChain(
    files: Files,
    embeddings: EmbeddingsInterface,
    options?: TwindexImportOptions,
  ): Promise<TwindexVectorStore>;

  /**
   * A store that {@link TwindexVectorStore.save}, or the native library's `save_local`, put into a directory: `file_not_found` if there is none.
   */
  static load(
    directory: string,
    embeddings: EmbeddingsInterface,
    options?: TwindexLoadOptions,
  ): Promise<TwindexVectorStore>;

  /**
   * Saves the store into a directory: as `{directory}/index.twindex` in Node, where the native library's `load_local` finds it; under the name
   * `index` in a folder of that name in browsers. Atomic, as `save` of `twindex` is.
   */
  save(directory: string, options?: TwindexSaveOptions): Promise<void>;

  /** The store as bytes. */
  serialize(options?: SerializeOptions): Promise<Uint8Array<ArrayBuffer>>;

  /**
   * The store of `twindex` behind this one, for everything that LangChain has no name for. Made or opened when first asked for; a failure is tried
   * again by the next call.
   */
  get store(): Promise<Store>;

  /** `twindex`. */
  _vectorstoreType(): string;

  /** Adds documents and returns their ids, in order. Nothing is changed if a single one cannot be added. */
  addDocuments(documents: DocumentInterface[], options?: TwindexAddOptions): Promise<string[]>;

  /** Adds documents whose vectors are there already, and returns their ids, in order. */
  addVectors(
    vectors: Vectors,
    documents: DocumentInterface[],
    options?: TwindexAddVectorsOptions,
  ): Promise<string[]>;

  /** Deletes documents. `unknown_id` for ids that the store does not have, unless `ignoreUnknown` is set. */
  delete(params: TwindexDeleteOptions): Promise<void>;

  /** The documents of these ids, in the order asked; unknown ids are passed over. */
  getByIds(ids: readonly string[]): Promise<TwindexDocument[]>;

  /** The documents nearest to a text, best first; 4 unless told. */
  similaritySearch(
    query: string,
    k?: number | SearchOptions,
    filter?: this['FilterType'],
    callbacks?: Callbacks,
  ): Promise<TwindexDocument[]>;

  /** The documents nearest to a text with their raw scores, best first; 4 unless told. */
  similaritySearchWithScore(
    query: string,
    k?: number | SearchOptions,
    filter?: this['FilterType'],
    callbacks?: Callbacks,
  ): Promise<[TwindexDocument, number][]>;

  /** The documents nearest to a vector with their raw scores, best first; 4 unless told. */
  similaritySearchVectorWithScore(
    query: Vector,
    k?: number | SearchOptions,
    filter?: this['FilterType'],
  ): Promise<[TwindexDocument, number][]>;

  /** Documents near to a text and unlike each other: `k` of the best `fetchK` (20 unless told), balanced by `lambda` (0.5 unless told). */
  maxMarginalRelevanceSearch(
    query: string,
    options: TwindexMmrOptions,
    callbacks?: Callbacks,
  ): Promise<TwindexDocument[]>;

  /**
   * Gives the memory back, of a store that it was given, too. Calls under way end as if it had not been called; later ones reject with
   * `store_freed`. May be called twice.
   */
  free(): void;

  /** The same as {@link TwindexVectorStore.free}, for `using`. */
  [Symbol.dispose](): void;
}
