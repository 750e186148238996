// @ts-check
// What a worker does for a store in several workers beside the calls of a store: steps of a call that needs
// more than one.

/** @typedef {import('./index.js').Document} Document */
/** @typedef {import('./index.js').Embeddings} Embeddings */
/** @typedef {import('./index.js').RetrieverOptions} RetrieverOptions */
/** @typedef {import('./index.js').StoreOptions} StoreOptions */
/** @typedef {import('./index.js').Vector} Vector */
/** @typedef {import('./rpc-host.mjs').Methods} Methods */
/** @typedef {import('./store.mjs').VectorStore} Store */
/** @typedef {typeof import('./store.mjs').VectorStore} StoreClass */

/**
 * Documents found, best first, with their vectors.
 *
 * @typedef {{ documents: Document[], vectors: Float32Array[] }} Found
 */

/**
 * Steps by name, of a store or of the class, whichever is the call's target.
 *
 * @type {Record<string, (target: any, ...args: any[]) => Promise<unknown>>}
 */
export const STEPS = { candidates, known, accepted, callFew, filled, merged, refuse };

/**
 * Hits of a search, and the vectors of their documents, at one and the same time.
 *
 * @param {Methods} store
 * @param {string} method
 * @param {unknown[]} args
 */
async function candidates(store, method, ...args) {
  const hits = /** @type {[Document, number][]} */ (await store[method](...args));
  return { hits, vectors: await Promise.all(hits.map(([{ id }]) => store.getVector(id))) };
}

/**
 * Those of some ids that a store has.
 *
 * @param {any} store
 * @param {string[]} ids
 */
async function known(store, ids) {
  return idsOf(await store.getByIds(ids));
}

/**
 * The ids of the documents that a predicate accepts: a search finds them all, whatever it looks for.
 *
 * @param {any} store
 * @param {Function} filter
 */
async function accepted(store, filter) {
  const [first] = await store.ids();
  if (first === undefined) return [];
  return idsOf(await store.similaritySearchByVector(await store.getVector(first), { k: Infinity, filter }));
}

/** @param {Document[]} documents */
const idsOf = (documents) => documents.map(({ id }) => id);

/**
 * Makes a call of a store, or of a retriever, that has a few documents of another: those are best first, so
 * that documents with equal scores keep their order.
 *
 * @param {StoreClass} VectorStore
 * @param {StoreOptions} settings The other store's.
 * @param {Embeddings | null | undefined} embeddings
 * @param {Found} found
 * @param {RetrieverOptions | undefined} retriever
 * @param {string} method Empty to see only whether there can be such a store and retriever.
 * @param {any[]} args
 */
async function callFew(VectorStore, settings, embeddings, { documents, vectors }, retriever, method, ...args) {
  // The vectors are scaled already, and would change if they were scaled again: only the query is.
  const scales = settings.normalizeL2 && documents.length > 0;
  const few = await VectorStore.create(scales && embeddings ? scaling(embeddings) : embeddings, {
    ...settings,
    normalizeL2: settings.normalizeL2 && !scales,
  });
  try {
    if (documents.length > 0) await few.addVectors(vectors, documents);
    const target = /** @type {any} */ (retriever === undefined ? few : await few.asRetriever(retriever));
    if (method === '') return undefined;
    const [query, ...rest] = args;
    return await target[method](scales && typeof query !== 'string' ? await scaled(query) : query, ...rest);
  } finally {
    few.free();
  }

  /** @param {Embeddings} embeddings */
  function scaling({ embedDocuments, embedQuery }) {
    return { embedDocuments, embedQuery: async (/** @type {string} */ text) => scaled(await embedQuery(text)) };
  }

  /**
   * A query as a store has it that scales vectors.
   *
   * @param {Vector} vector
   */
  async function scaled(vector) {
    const one = await VectorStore.fromVectors([vector], [{ pageContent: '', id: 'query' }], null, {
      normalizeL2: true,
    });
    try {
      return await one.getVector('query');
    } finally {
      one.free();
    }
  }
}

/**
 * A store that a method has added documents to.
 *
 * @param {StoreClass} VectorStore
 * @param {Embeddings} embeddings
 * @param {StoreOptions} settings
 * @param {string} method
 * @param {unknown[]} args
 */
function filled(VectorStore, embeddings, settings, method, ...args) {
  return made(VectorStore, embeddings, settings, (store) => /** @type {any} */ (store)[method](...args));
}

/**
 * A store of what several have, one after another.
 *
 * @param {StoreClass} VectorStore
 * @param {Embeddings} embeddings
 * @param {StoreOptions} settings
 * @param {Uint8Array[]} stores The bytes of each.
 */
function merged(VectorStore, embeddings, settings, ...stores) {
  return made(VectorStore, embeddings, settings, async (store) => {
    for (const bytes of stores) {
      const other = await VectorStore.deserialize(bytes);
      try {
        await store.mergeFrom(other);
      } finally {
        other.free();
      }
    }
  });
}

/**
 * @param {StoreClass} VectorStore
 * @param {Embeddings} embeddings
 * @param {StoreOptions} settings
 * @param {(store: Store) => Promise<void>} fill
 */
async function made(VectorStore, embeddings, settings, fill) {
  const store = await VectorStore.create(embeddings, settings);
  try {
    await fill(store);
    return store;
  } catch (error) {
    store.free();
    throw error;
  }
}

/**
 * Rejects as a store does that has documents with these ids already.
 *
 * @param {StoreClass} VectorStore
 * @param {string[]} ids
 */
async function refuse(VectorStore, ids) {
  const documents = ids.map((id) => ({ pageContent: '', id }));
  const vectors = new Float32Array(ids.length);
  const store = await VectorStore.fromVectors(vectors, documents, null, { dim: 1 });
  try {
    await store.addVectors(vectors, documents);
  } finally {
    store.free();
  }
}
