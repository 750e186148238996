// @ts-check
// `twindex/worker` for browsers.
import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';
import { Shared, classOver } from './rpc-store.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

// As in web.mjs.
const MOVED = /\/node_modules\/\.(?:cache\/)?vite\/(?:.*\/)?deps(?:_\w+)?\/[^/]*$/;

function own() {
  // Bundlers put something else in the place of these expressions: the first tells whether this module was
  // moved, the second has to stay whole.
  const beside = String(new URL('./twindex.wasm', import.meta.url));
  return MOVED.test(beside)
    ? new Worker(beside.replace(MOVED, '/node_modules/twindex/dist/worker-host.mjs'), { type: 'module' })
    : new Worker(new URL('./worker-host.mjs', import.meta.url), { type: 'module' });
}

/**
 * @param {unknown} given
 * @returns {Worker}
 */
function workerOf(given) {
  if (given === undefined) return own();
  if (typeof given === 'string' || given instanceof URL) return new Worker(given, { type: 'module' });
  if (given instanceof Worker) return given;
  throw new VectorStoreError(
    `option worker: expected a Worker or a URL, got ${describe(given)}`,
    'invalid_option',
  );
}

const shared = new Shared({
  start(given) {
    const worker = workerOf(given);
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
  },
  resolve(place) {
    const page = globalThis.document?.baseURI ?? globalThis.location?.href;
    try {
      return new URL(place, page).href;
    } catch {
      return place;
    }
  },
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
