// @ts-check
// Workers of Node.

import { Worker } from 'node:worker_threads';
import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';
import { find } from './places.cjs';

/**
 * @param {unknown} given
 * @param {string} own
 * @returns {Worker}
 */
function workerOf(given, own) {
  // Flags of this process, such as that its program is text on the command line, are not the worker's.
  const options = { execArgv: [] };
  if (given === undefined) return new Worker(find(own), options);
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

/**
 * Starts a worker, or takes one that runs.
 *
 * @param {unknown} given
 * @param {string} own The file that the package's own runs.
 * @returns {import('./rpc-client.mjs').Thread<unknown, any>}
 */
export function threadOf(given, own) {
  const worker = workerOf(given, own);
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
}
