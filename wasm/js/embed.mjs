// @ts-check
// `twindex/embed` for browsers.
import { classOver } from './embed-client.mjs';
import { MOVED, resolve, threadOf } from './thread-web.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

function own() {
  // As in worker.mjs.
  const beside = String(new URL('./twindex-embed.wasm', import.meta.url));
  return MOVED.test(beside)
    ? new Worker(beside.replace(MOVED, '/node_modules/twindex/dist/embed-host.mjs'), { type: 'module' })
    : new Worker(new URL('./embed-host.mjs', import.meta.url), { type: 'module' });
}

export const LocalEmbeddings = classOver({ start: (given) => threadOf(given, own), resolve, wasm: undefined });
