// @ts-check
// Workers of browsers.

import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';

/** As in web.mjs. */
export const MOVED = /\/node_modules\/\.(?:cache\/)?vite\/(?:.*\/)?deps(?:_\w+)?\/[^/]*$/;

/**
 * @param {unknown} given
 * @param {() => Worker} own
 * @returns {Worker}
 */
function workerOf(given, own) {
  if (given === undefined) return own();
  if (typeof given === 'string' || given instanceof URL) return new Worker(given, { type: 'module' });
  if (given instanceof Worker) return given;
  throw new VectorStoreError(
    `option worker: expected a Worker or a URL, got ${describe(given)}`,
    'invalid_option',
  );
}

/**
 * Starts a worker, or takes one that runs.
 *
 * @param {unknown} given
 * @param {() => Worker} own Starts the package's own.
 * @returns {import('./rpc-client.mjs').Thread<unknown, any>}
 */
export function threadOf(given, own) {
  const worker = workerOf(given, own);
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen(receive, fail) {
      worker.addEventListener('message', ({ data }) => receive(data));
      worker.addEventListener('messageerror', () => fail(new Error('a message cannot be read')));
      worker.addEventListener('error', (event) => {
        // Calls tell of it.
        event.preventDefault();
        fail(event.error ?? new Error(event.message || 'its script cannot be loaded'));
      });
    },
    keep() {},
    end: () => worker.terminate(),
  };
}

/** The URL of a place as it is meant in this page. @param {string} place */
export function resolve(place) {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(place, page).href;
  } catch {
    return place;
  }
}
