// @ts-check
// The store under LangChain.js's base class: a constructor that does not wait, LangChain's documents, its order of arguments. What a method does is
// for the store to say.

import { Document } from '@langchain/core/documents';
import { SaveableVectorStore } from '@langchain/core/vectorstores';
import { VectorStore as Store, VectorStoreError } from 'twindex';

/** @typedef {import('@langchain/core/documents').DocumentInterface} DocumentInterface */
/** @typedef {import('@langchain/core/embeddings').EmbeddingsInterface} EmbeddingsInterface */
/** @typedef {import('./index.js').Document} Found */
/** @typedef {import('./index.js').Filter} Filter */
/** @typedef {import('./index.js').SearchOptions} SearchOptions */
/** @typedef {import('./index.js').VectorStore} PlainStore */
/** @typedef {import('./langchain.js').TwindexDocument} TwindexDocument */

/** The native library's `save_local` takes it, too, unless told. */
const INDEX_NAME = 'index';

/**
 * LangChain's class, with what its filters are here.
 *
 * @typedef {abstract new (...args: ConstructorParameters<typeof SaveableVectorStore>) => SaveableVectorStore & { FilterType: Filter }} Base
 */

/** See `langchain.d.ts`, which says what each method takes and gives. */
export class TwindexVectorStore extends /** @type {Base} */ (SaveableVectorStore) {
  /** Forgotten once used: it may hold a whole store as bytes. @type {() => PlainStore | Promise<PlainStore>} */
  #make;
  /** @type {Promise<PlainStore> | undefined} */
  #opening;
  /** @type {PlainStore | undefined} */
  #opened;
  #upsert;
  #batchSize;

  static lc_name() {
    return 'TwindexVectorStore';
  }

  /**
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexVectorStoreArgs} [args]
   */
  constructor(embeddings, args) {
    const { store, upsert, batchSize, ...settings } = args ?? {};
    super(embeddings, settings);
    this.#upsert = upsert;
    this.#batchSize = batchSize;
    if (!store) {
      this.#make = () => Store.create(embeddings, settings);
      return;
    }
    const [setting] = Object.entries(settings).find(([, value]) => value !== undefined) ?? [];
    if (setting !== undefined) {
      throw new VectorStoreError(`option ${setting}: expected none beside the option store, which has its own`, 'invalid_option');
    }
    this.#make = typeof store === 'function' ? () => store(embeddings) : () => store;
  }

  /**
   * @param {string[]} texts
   * @param {object[] | object} metadatas
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexFromArgs} [args]
   */
  static async fromTexts(texts, metadatas, embeddings, args) {
    // LangChain's example selectors hand their own options on to the store.
    const { k, inputKeys, exampleKeys, ...rest } = /** @type {import('./langchain.js').TwindexFromArgs & Record<string, unknown>} */ (args ?? {});
    const { ids, onProgress, signal, ...own } = rest;
    const made = new this(embeddings, own);
    const given = Array.isArray(metadatas) && metadatas.length === 0 ? null : metadatas;
    await made.#ask((store) => store.addTexts(texts, given, { ids, onProgress, signal, batchSize: own.batchSize }));
    return made;
  }

  /**
   * @param {DocumentInterface[]} documents
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexFromArgs} [args]
   */
  static async fromDocuments(documents, embeddings, args) {
    const { ids, onProgress, signal, ...own } = args ?? {};
    const made = new this(embeddings, own);
    await made.addDocuments(documents, { ids, onProgress, signal });
    return made;
  }

  /**
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexVectorStoreArgs} [args]
   */
  static async fromExistingIndex(embeddings, args) {
    const made = new this(embeddings, args);
    await made.store;
    return made;
  }

  /**
   * @param {Uint8Array | ArrayBuffer | Blob | Response} bytes
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexOpenOptions} [options]
   */
  static async deserialize(bytes, embeddings, options) {
    const { upsert, batchSize, ...rest } = options ?? {};
    const store = () => Store.deserialize(bytes, embeddings, rest);
    return this.fromExistingIndex(embeddings, { store, upsert, batchSize });
  }

  /**
   * @param {string} directory
   * @param {EmbeddingsInterface} embeddings
   * @param {import('./langchain.js').TwindexLoadOptions} [options]
   */
  static async load(directory, embeddings, options) {
    checkDirectory(directory);
    const { indexName = INDEX_NAME, upsert, batchSize, ...rest } = options ?? {};
    const store = () => Store.load(indexName, embeddings, { ...rest, directory });
    return this.fromExistingIndex(embeddings, { store, upsert, batchSize });
  }

  /**
   * @param {string} directory
   * @param {import('./langchain.js').TwindexSaveOptions} [options]
   */
  async save(directory, options) {
    checkDirectory(directory);
    const { indexName = INDEX_NAME, ...rest } = options ?? {};
    await this.#ask((store) => store.save(indexName, { ...rest, directory }));
  }

  /** @param {import('./index.js').SerializeOptions} [options] */
  serialize(options) {
    return this.#ask((store) => store.serialize(options));
  }

  get store() {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  _vectorstoreType() {
    return 'twindex';
  }

  /**
   * @param {DocumentInterface[]} documents
   * @param {import('./langchain.js').TwindexAddOptions} [options]
   */
  async addDocuments(documents, options) {
    const { upsert = this.#upsert, ...rest } = { batchSize: this.#batchSize, ...options };
    return this.#ask((store) => (isUpsert(upsert) ? store.upsert(documents, rest) : store.addDocuments(documents, rest)));
  }

  /**
   * @param {import('./index.js').Vectors} vectors
   * @param {DocumentInterface[]} documents
   * @param {import('./langchain.js').TwindexAddVectorsOptions} [options]
   */
  async addVectors(vectors, documents, options) {
    const { upsert = this.#upsert, ...rest } = options ?? {};
    return this.#ask((store) =>
      isUpsert(upsert) ? store.upsertVectors(vectors, documents, rest) : store.addVectors(vectors, documents, rest),
    );
  }

  /**
   * @param {import('./langchain.js').TwindexDeleteOptions} params
   * @override
   */
  async delete(params) {
    const { deleteAll = false, ...rest } = /** @type {{ deleteAll?: boolean }} */ (params ?? {});
    const isAll = deleteAll === true && Object.keys(rest).length === 0;
    await this.#ask((store) => store.delete(/** @type {import('./index.js').DeleteOptions} */ (isAll ? { filter: {} } : params)));
  }

  /** @param {readonly string[]} ids */
  async getByIds(ids) {
    return documentsOf(await this.#ask((store) => store.getByIds(ids)));
  }

  /**
   * @param {string} query
   * @param {number | SearchOptions} [k]
   * @param {Filter} [filter]
   * @override
   */
  async similaritySearch(query, k, filter) {
    return documentsOf(await this.#ask((store) => store.similaritySearch(query, k, filter)));
  }

  /**
   * @param {string} query
   * @param {number | SearchOptions} [k]
   * @param {Filter} [filter]
   * @override
   */
  async similaritySearchWithScore(query, k, filter) {
    return hitsOf(await this.#ask((store) => store.similaritySearchWithScore(query, k, filter)));
  }

  /**
   * @param {import('./index.js').Vector} query
   * @param {number | SearchOptions} [k]
   * @param {Filter} [filter]
   */
  async similaritySearchVectorWithScore(query, k, filter) {
    return hitsOf(await this.#ask((store) => store.similaritySearchVectorWithScore(query, k, filter)));
  }

  /**
   * @param {string} query
   * @param {import('./langchain.js').TwindexMmrOptions} options
   * @override
   */
  async maxMarginalRelevanceSearch(query, options) {
    return documentsOf(await this.#ask((store) => store.maxMarginalRelevanceSearch(query, options)));
  }

  free() {
    this.#make = freed;
    if (this.#opened) this.#opened.free();
    else this.#opening?.then((store) => store.free(), () => {});
  }

  async #open() {
    try {
      const store = await this.#make();
      if (typeof store?.similaritySearch !== 'function') {
        throw new VectorStoreError(`option store: expected a VectorStore of twindex, got ${typeof store}`, 'invalid_option');
      }
      this.#make = freed;
      this.#opened = store;
      return store;
    } catch (error) {
      // The next call tries again: a network that was away may be back.
      this.#opening = undefined;
      throw error;
    }
  }

  /**
   * Hands a call over, at once if the store is there: what it is given is then taken in before this returns.
   *
   * @template T
   * @param {(store: PlainStore) => Promise<T>} call
   */
  async #ask(call) {
    return call(this.#opened ?? (await this.store));
  }
}

if (typeof Symbol.dispose === 'symbol') {
  Object.defineProperty(TwindexVectorStore.prototype, Symbol.dispose, {
    value: TwindexVectorStore.prototype.free,
    configurable: true,
    writable: true,
  });
}

/** @param {Found[]} found */
const documentsOf = (found) => found.map(documentOf);

/**
 * @param {[Found, number][]} found
 * @returns {[TwindexDocument, number][]}
 */
const hitsOf = (found) => found.map(([document, score]) => [documentOf(document), score]);

/** @param {Found} found */
const documentOf = (found) => /** @type {TwindexDocument} */ (new Document(found));

/** @returns {never} */
function freed() {
  throw new VectorStoreError('the store was freed', 'store_freed');
}

/** @param {unknown} upsert */
function isUpsert(upsert) {
  if (upsert === undefined || typeof upsert === 'boolean') return upsert;
  throw new VectorStoreError(`option upsert: expected true or false, got ${typeof upsert}`, 'invalid_option');
}

/** @param {unknown} directory */
function checkDirectory(directory) {
  if (typeof directory === 'string') return;
  throw new VectorStoreError(`directory: expected a string, got ${typeof directory}`, 'invalid_argument');
}
