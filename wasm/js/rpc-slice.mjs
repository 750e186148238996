// @ts-check
// What a worker does for a store in several workers beside the calls of a store: steps of a call that needs
// more than one.

/** @typedef {import('./index.js').Document} Document */
/** @typedef {import('./index.js').Embeddings} Embeddings */
/** @typedef {import('./index.js').RetrieverOptions} RetrieverOptions */
/** @typedef {import('./index.js').Vector} Vector */
/** @typedef {import('./rpc-host.mjs').Methods} Methods */
/** @typedef {typeof import('./store.mjs').VectorStore} StoreClass */

/**
 * Documents found, best first, with their vectors.
 *
 * @typedef {{ documents: Document[], vectors: Float32Array[] }} Found
 */

/** Steps by name: of the class or of a store, as a call has it for its target. @type {Record<string, (target: any, ...args: any[]) => Promise<unknown>>} */
export const STEPS = { candidates, searchFew };

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
 * Makes a call of a store, or of a retriever, that has a few documents of another: those are best first, so
 * that documents with equal scores keep their order.
 *
 * @param {StoreClass} VectorStore
 * @param {import('./index.js').StoreOptions} settings The other store's.
 * @param {Embeddings} embeddings
 * @param {Found} found
 * @param {RetrieverOptions | undefined} retriever
 * @param {string | undefined} method None to see only whether there can be such a retriever.
 * @param {any[]} args
 */
async function searchFew(VectorStore, settings, embeddings, { documents, vectors }, retriever, method, ...args) {
  // The vectors are scaled already, and would change if they were scaled again: only the query is.
  const scales = settings.normalizeL2 && documents.length > 0;
  const few = await VectorStore.create(scales ? scaling(embeddings) : embeddings, {
    ...settings,
    normalizeL2: settings.normalizeL2 && !scales,
  });
  try {
    if (documents.length > 0) await few.addVectors(vectors, documents);
    const target = /** @type {any} */ (retriever === undefined ? few : await few.asRetriever(retriever));
    if (method === undefined) return undefined;
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
