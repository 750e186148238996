// @ts-check
// What `twindex/worker` runs in a thread of Node. It is built to one file, which bundlers can put anywhere.
import { parentPort } from 'node:worker_threads';
import { VectorStore, init } from './node.mjs';
import { give } from './places.cjs';
import { Host } from './rpc-host.mjs';

if (!parentPort) throw new Error('this module runs in a worker thread');
const port = parentPort;
const host = new Host({ VectorStore, init }, (message, transfer) =>
  port.postMessage(message, /** @type {ArrayBuffer[]} */ (transfer)),
);

port.on(
  'message',
  (/** @type {import('./rpc-client.mjs').ToHost | import('./rpc-client.mjs').ToNodeHost} */ message) => {
    if (message.type !== 'files') return host.receive(message);
    for (const [name, url] of Object.entries(message.files)) give(name, url);
  },
);
port.on('messageerror', (error) => {
  throw error;
});
