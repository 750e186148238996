// @ts-check
// `twindex/worker` for browsers.
import { Shared, classOver } from './rpc-store.mjs';
import { MOVED, resolve, threadOf } from './thread-web.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

function own() {
  // Bundlers put something else in the place of these expressions: the first tells whether this module was
  // moved, the second has to stay whole.
  const beside = String(new URL('./twindex.wasm', import.meta.url));
  return MOVED.test(beside)
    ? new Worker(beside.replace(MOVED, '/node_modules/twindex/dist/worker-host.mjs'), { type: 'module' })
    : new Worker(new URL('./worker-host.mjs', import.meta.url), { type: 'module' });
}

const shared = new Shared({ start: (given) => threadOf(given, own), resolve });

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
