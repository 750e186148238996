// @ts-check
// What `twindex/worker` runs in a browser's worker.
import { Host } from './rpc-host.mjs';
import { VectorStore, init } from './web.mjs';

const worker = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
const host = new Host({ VectorStore, init }, (message, transfer) => worker.postMessage(message, transfer));

worker.addEventListener('message', ({ data }) => host.receive(data));
worker.addEventListener('messageerror', () => {
  throw new Error('a message cannot be read');
});
