// @ts-check
// `twindex/worker` for Node. It is built to one CommonJS file, which the ES module hands on: both have one
// worker.
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';
import { find } from './places.cjs';
import { Shared, classOver } from './rpc-store.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

/**
 * @param {unknown} given
 * @returns {Worker}
 */
function workerOf(given) {
  // Flags of this process, such as that its program is text on the command line, are not the worker's.
  const options = { execArgv: [] };
  if (given === undefined) return new Worker(find('worker-host-node.cjs'), options);
  if (given instanceof Worker) {
    if (given.threadId < 0) throw new Error('it has ended');
    return given;
  }
  if (typeof given === 'string' || given instanceof URL) {
    const place = String(given);
    return new Worker(place.startsWith('file:') ? new URL(place) : place, options);
  }
  throw new VectorStoreError(
    `option worker: expected a Worker or a URL, got ${describe(given)}`,
    'invalid_option',
  );
}

const BINARIES = ['twindex.wasm', 'twindex-relaxed.wasm', 'twindex-interop.wasm'];

const shared = new Shared({
  start(given) {
    const worker = workerOf(given);
    // A server's bundler may have put the worker's code elsewhere.
    const files = Object.fromEntries(BINARIES.map((name) => [name, pathToFileURL(find(name)).href]));
    worker.postMessage({ type: 'files', files });
    return {
      post: (message, transfer) => worker.postMessage(message, /** @type {ArrayBuffer[]} */ (transfer)),
      listen(receive, fail) {
        worker.on('message', receive);
        worker.on('messageerror', fail);
        worker.on('error', fail);
        worker.on('exit', (code) => fail(new Error(`it ended with code ${code}`)));
      },
      keep: (busy) => (busy ? worker.ref() : worker.unref()),
      end: () => worker.terminate(),
    };
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
