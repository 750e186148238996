// @ts-check
/**
 * Vector search packages for JavaScript that are not measured, and why.
 *
 * @type {Record<string, string>}
 */
export const NOT_COMPARED = {
  'velesdb-wasm': 'not on npm',
  ferrovec: 'not on npm',
  'altor-vec': 'not on npm',
  'faiss-node': 'its install downloads a binary, or compiles FAISS',
  '@lancedb/lancedb': 'a database on disk, which needs Node 22',
  vectra: 'a database on disk, which needs Node 22',
  '@babycommando/entity-db': 'a database in IndexedDB, which Node does not have',
  'client-vector-search': 'searches as MemoryVectorStore does, and installs a model runtime',
};
