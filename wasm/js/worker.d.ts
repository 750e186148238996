/**
 * Twindex in a worker: the class of `twindex`, with the store, its searches, its loading and its saving off
 * the calling thread.
 *
 * The names, methods, answers and errors are those of `twindex`; what differs is said here. All stores share
 * one worker, unless told otherwise, which starts when it is first needed; in Node it keeps the process alive only while calls wait.
 * What is passed in is copied, unless `transfer` gives it away; what comes out is handed over without a copy
 * where it is bytes or vectors.
 *
 * Functions stay on the calling thread. Embeddings, `onProgress` and `onWarning` are called there when the
 * worker needs them. A filter function is called there too, once for every document, which are sent over for
 * it: a filter object is much faster. `onProgress` is waited for.
 *
 * A search that is cancelled rejects at once. A call that may change something rejects once the worker has
 * confirmed that nothing was changed; if the signal comes too late for that, it resolves.
 *
 * `worker_failed` is the code where the worker cannot be started, or ends: every call under way rejects with
 * it, and so does every later call of a store that was in it. The next store is made in a new worker.
 *
 * @packageDocumentation
 */

import type {
  AddVectorsOptions,
  DocumentInput,
  Embeddings,
  AddOptions,
  Files,
  LangChainOptions,
  OpenOptions,
  StorageOptions,
  StoreOptions,
  Vectors,
  VectorStore as MainVectorStore,
  WasmSource,
} from './index.js';

export type {
  AddOptions,
  AddVectorsOptions,
  Cancellable,
  DeleteOptions,
  DistanceStrategy,
  Document,
  DocumentInput,
  EmbedOptions,
  Embeddings,
  FieldOperators,
  Files,
  Filter,
  FilterObject,
  ImportReport,
  LangChainFormat,
  LangChainOptions,
  Metadata,
  MetadataValue,
  MmrOptions,
  OpenOptions,
  Progress,
  Retriever,
  RetrieverOptions,
  SearchOptions,
  SearchType,
  SerializeOptions,
  StorageOptions,
  StoreInfo,
  StoreOptions,
  StoreWarning,
  Vector,
  VectorEncoding,
  VectorLoss,
  Vectors,
  WasmSource,
} from './index.js';

export { VectorStoreError, version } from './index.js';

/** For calls that are given much memory. */
export interface TransferOptions {
  /**
   * Give the memory of a flat `Float32Array`, or of bytes, to the worker in place of a copy: the array is
   * detached afterwards, and has no elements any more. It is copied all the same where it does not cover its
   * whole buffer, or the buffer cannot be given away. No unless told.
   */
  transfer?: boolean | undefined;
}

/** For calls that make a store. */
export interface WorkersOptions {
  /**
   * In how many workers the store is held, each with slices of its documents: from 1 to 256, and 1 unless
   * told. Searches then use as many cores, and give the same hits, scores and order. Such a store has all
   * methods, and the same errors. What differs:
   *
   * - Its index is flat: any other is refused with `unsupported_by_index`.
   * - A filter function sees the documents of all slices at once, in no order. Equal queries of a batch are
   *   embedded once.
   * - The bytes of `info` are those of the slices together.
   * - A search by maximal marginal relevance, by relevance or of a retriever takes the best of all slices, and
   *   chooses among them in the first worker.
   * - `mergeFrom` takes stores in one worker and in several, and so does that of a store in one.
   *
   * Documents that are added are made ready in the worker of the last ones, or in one that has far fewer; each
   * call is still all or nothing. So a store that is made by `create` and filled by several calls is never
   * whole anywhere, and may be larger than the 4 GiB of one worker. It is whole in the first worker while it
   * is made by any other method, and during `save`, `serialize`, `vectorLoss`, `toLangChain` and where a store
   * in one worker takes it in by `mergeFrom`: that worker needs memory for twice the store then. Workers beside
   * the first are started as the package starts its own, or from the URL that `init` was given; a running
   * worker that it was given is the first only.
   */
  workers?: number | undefined;
}

/** The store of `twindex`, in a worker. */
export interface VectorStore extends Omit<MainVectorStore, 'addVectors' | 'upsertVectors' | 'mergeFrom'> {}

/**
 * Documents with vectors, searchable, in a worker.
 *
 * @example
 * import { VectorStore } from 'twindex/worker';
 * const store = await VectorStore.fromVectors(vectors, documents, embeddings, { dim: 384, transfer: true });
 * const hits = await store.similaritySearchWithScore('soup', { k: 10, signal: AbortSignal.timeout(100) });
 */
export class VectorStore {
  private constructor();

  /** Tells it from a store of this thread, which is none of the worker's. */
  private readonly isInWorker: true;

  /** An empty store. */
  static create(embeddings?: Embeddings | null, options?: StoreOptions & WorkersOptions): Promise<VectorStore>;

  /** A store of texts, with one metadata object for each, or one for all. */
  static fromTexts(
    texts: readonly string[],
    metadatas: readonly (object | null | undefined)[] | object | null | undefined,
    embeddings: Embeddings,
    options?: StoreOptions & AddOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** A store of documents. */
  static fromDocuments(
    documents: readonly DocumentInput[],
    embeddings: Embeddings,
    options?: StoreOptions & AddOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** A store of documents whose vectors are there already. */
  static fromVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    embeddings?: Embeddings | null,
    options?: StoreOptions & AddVectorsOptions & TransferOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** A store from the bytes of `serialize`, of either class, or from a file that the native library wrote. */
  static deserialize(
    bytes: Uint8Array | ArrayBuffer | Blob | Response,
    embeddings?: Embeddings | null,
    options?: OpenOptions & TransferOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** What LangChain saved, or FAISS: see the store of `twindex`. The files are read and searched in the worker. */
  static fromLangChain(
    files: Files,
    embeddings?: Embeddings | null,
    options?: LangChainOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** A store saved under a name, by either class: `file_not_found` if there is none. */
  static load(
    name: string,
    embeddings?: Embeddings | null,
    options?: OpenOptions & StorageOptions & WorkersOptions,
  ): Promise<VectorStore>;

  /** The names of the stores saved, sorted. */
  static list(options?: StorageOptions): Promise<string[]>;

  /** Removes a saved store; whether there was one. */
  static remove(name: string, options?: StorageOptions): Promise<boolean>;

  /** Adds documents whose vectors are there already, and returns their ids, in order. */
  addVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    options?: AddVectorsOptions & TransferOptions,
  ): Promise<string[]>;

  /** Adds documents whose vectors are there already, taking the place of those with the same ids. */
  upsertVectors(
    vectors: Vectors,
    documents: readonly DocumentInput[],
    options?: AddVectorsOptions & TransferOptions,
  ): Promise<string[]>;

  /**
   * Adds everything another store has, of the same worker or of several. A store of another thread comes over
   * by `await VectorStore.deserialize(await other.serialize())`.
   */
  mergeFrom(other: VectorStore): Promise<void>;
}

/** A worker, of a browser or of Node's `worker_threads`. */
export interface RunningWorker {
  /** Sends it something. */
  postMessage(message: unknown): void;
  /** Ends it. */
  terminate(): unknown;
}

/** How the worker is started. */
export interface WorkerOptions {
  /**
   * The worker to use, where the package's own cannot be started by itself: one that runs the package's
   * `dist/worker-host.mjs` (in Node `dist/worker-host-node.cjs`) and nothing else, or the URL of a copy of
   * that file.
   */
  worker?: RunningWorker | URL | string | undefined;
}

/**
 * Starts the worker, and loads the WebAssembly module in it. Not needed: the first call of {@link
 * VectorStore} does it. Call it to start early, or to say where the module or the worker is. Once the module
 * is loaded, later calls do nothing.
 */
export function init(source?: WasmSource, options?: WorkerOptions): Promise<void>;

/**
 * Ends the worker, with those beside it, and all stores in them. Calls under way reject with `worker_failed`; the next call of {@link
 * VectorStore} starts another.
 */
export function terminate(): Promise<void>;
