/**
 * Embeddings computed here: a BERT model of the sentence-transformers kind, such as all-MiniLM-L6-v2, in WebAssembly and in a worker of its own,
 * by the code that the native library runs. Texts never leave the machine.
 *
 * Nothing of this is part of the store's download: the module (`twindex-embed.wasm`) and the model are loaded by {@link LocalEmbeddings.load}.
 *
 * @packageDocumentation
 */

import type { Cancellable, Embeddings, Progress, WasmModule } from './index.js';
import type { RunningWorker } from './worker.js';

export type { Cancellable, Embeddings, Progress, WasmModule } from './index.js';
export type { RunningWorker } from './worker.js';
export { VectorStoreError, version } from './index.js';

/** A file of a model: where it is (in Node also a path), or what is in it. */
export type ModelFile = URL | string | Blob | Uint8Array | ArrayBuffer;

/** The files of a model one by one. Those that are left out count as absent. */
export interface ModelFiles {
  /** `model.safetensors`, in f32, f16, bf16 or f64; computed in f32. With f16, half the size, vectors are 5e-4 off at most. */
  weights: ModelFile;
  /** `tokenizer.json`. Its own truncation length and padding are overridden. */
  tokenizer: ModelFile;
  /** `config.json`: the sizes of the model. */
  config: ModelFile;
  /** `1_Pooling/config.json`. Without it: the mean. */
  pooling?: ModelFile | undefined;
  /** `modules.json`. Without it: vectors are normalised. */
  modules?: ModelFile | undefined;
  /** `sentence_bert_config.json`. Without it: texts are cut to 256 tokens. */
  sentenceConfig?: ModelFile | undefined;
}

/** How a model is found. */
export interface ModelOptions {
  /**
   * A sentence-transformers folder, by its URL (relative to the page) or, in Node, its path: `config.json`, `tokenizer.json` and `model.safetensors`
   * in it, and perhaps `modules.json`, `sentence_bert_config.json` and `1_Pooling/config.json`. Or its files one by one.
   */
  model: URL | string | ModelFiles;
  /**
   * Whether what is downloaded is kept in the browser's Cache Storage, and found there next time, without a network; or the name of the cache. `true`,
   * the cache `twindex-models`, unless told. A model is kept once it has been loaded whole. Without effect where there is no Cache Storage, as in Node.
   */
  cache?: boolean | string | undefined;
}

/** How a model is loaded. */
export interface LoadOptions extends ModelOptions, Cancellable {
  /** Told how much of the model's files has come, from the cache too; at least once, when all has. What it throws ends the call. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Where the WebAssembly module is, in place of the one beside this file. */
  wasm?: URL | string | Uint8Array | ArrayBuffer | WasmModule | undefined;
  /** A worker that runs the package's `embed-host`, or the URL of one, in place of the package's own. */
  worker?: RunningWorker | URL | string | undefined;
}

/** How much of a model has come. */
export interface LoadProgress {
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all; `null` where a server does not say. */
  total: number | null;
}

/** How texts are embedded. */
export interface EmbedTextsOptions extends Cancellable {
  /** Texts computed between two looks at what else waits, such as a query; 16 unless told. */
  batchSize?: number | undefined;
  /** Called after each batch, and awaited. What it throws, or its promise rejects with, ends the call. */
  onProgress?: ((progress: Progress) => void | Promise<void>) | undefined;
}

/**
 * A model in a worker of its own: goes where a store takes {@link Embeddings}.
 *
 * Vectors are those of the native library: within 1e-5 with f32 weights, within 5e-4 with f16. Calls may overlap: a query waits for one batch of texts
 * at most. A call that is cancelled rejects at once. Memory is given back by {@link LocalEmbeddings.free} or `using`.
 *
 * @example
 * const embeddings = await LocalEmbeddings.load({ model: '/models/all-MiniLM-L6-v2/' });
 * const store = await VectorStore.fromTexts(['a spoon for soup', 'a fork'], null, embeddings);
 * const [best] = await store.similaritySearch('something to eat broth with', 1);
 */
export class LocalEmbeddings implements Embeddings {
  private constructor();

  /**
   * Starts a worker and loads a model in it.
   *
   * `embeddings_model_file` for a file that is missing or cannot be read, `embeddings_model` for one that is damaged or of a kind of model that is not
   * supported (the `cause` says which by its own code, such as `embed_tensor_shape`), `wasm_unavailable`, `simd_unavailable`, `worker_failed`.
   */
  static load(options: LoadOptions): Promise<LocalEmbeddings>;

  /** Whether the cache has a model whole, so that loading it needs no network. `false` where there is no Cache Storage. */
  static isCached(options: ModelOptions): Promise<boolean>;

  /** Removes a model from the cache; whether there was one. */
  static removeCached(options: ModelOptions): Promise<boolean>;

  /** Numbers in a vector. */
  readonly dim: number;

  /** Tokens a text is cut to, special ones included. */
  readonly maxSeqLength: number;

  /** Whether the model is in the cache now: `false` too where it was to be kept and there was no room. */
  readonly cached: boolean;

  /** One vector a text, in the order of the texts; each in memory of its own. */
  embedDocuments(texts: readonly string[], options?: EmbedTextsOptions): Promise<Float32Array<ArrayBuffer>[]>;

  /** The vector of a text to search for. */
  embedQuery(text: string, options?: Cancellable): Promise<Float32Array<ArrayBuffer>>;

  /** Ends the worker. Calls under way, and later ones, reject with `embeddings_freed`. May be called twice. */
  free(): void;

  /** The same as {@link LocalEmbeddings.free}, for `using`. */
  [Symbol.dispose](): void;
}
