// @ts-check
// `twindex/worker` for Node. It is built to one CommonJS file, which the ES module hands on: both have one
// worker.
import { pathToFileURL } from 'node:url';
import { find } from './places.cjs';
import { Shared, classOver } from './rpc-store.mjs';
import { threadOf } from './thread-node.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

const BINARIES = ['twindex.wasm', 'twindex-relaxed.wasm', 'twindex-interop.wasm'];

const shared = new Shared({
  start(given) {
    const thread = threadOf(given, 'worker-host-node.cjs');
    // A server's bundler may have put the worker's code elsewhere.
    const files = Object.fromEntries(BINARIES.map((name) => [name, pathToFileURL(find(name)).href]));
    thread.post({ type: 'files', files }, []);
    return thread;
  },
  resolve: (place) => place,
});

export const VectorStore = classOver(shared);

/**
 * See `worker.d.ts`.
 *
 * @param {unknown} [source]
 * @param {unknown} [options]
 */
export const init = (source, options) => shared.init(source, options);

/** See `worker.d.ts`. */
export const terminate = () => shared.terminate();
