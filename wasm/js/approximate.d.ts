/**
 * Where the WebAssembly binary is that also searches to a recall target (`recall` of {@link SearchOptions}): the one for this engine, as an absolute URL. It is the store's
 * binary and about 8 kB more, compressed, so those who always search exactly need not download it.
 *
 * ```js
 * import { VectorStore, init } from 'twindex'; // or 'twindex/worker'
 * import { source } from 'twindex/approximate';
 *
 * await init(source); // before the first call
 * const hits = await store.similaritySearch('a query', { k: 10, recall: 0.99 });
 * ```
 */
export declare const source: string;
