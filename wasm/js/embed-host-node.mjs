// @ts-check
// What `twindex/embed` runs in a thread of Node. It is built to one file, which bundlers can put anywhere.
import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { openedResponse } from './embed-files.mjs';
import { EmbedHost } from './embed-host.mjs';
import { find } from './places.cjs';

if (!parentPort) throw new Error('this module runs in a worker thread');
const port = parentPort;

/** Bytes read at a time. */
const CHUNK = 1 << 20;

/** @param {string} url */
async function openFile(url) {
  try {
    const file = await open(fileURLToPath(url));
    return { size: (await file.stat()).size, chunks: file.createReadStream({ highWaterMark: CHUNK }) };
  } catch (cause) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw cause;
  }
}

const host = new EmbedHost({
  open: async (url) => (url.startsWith('file:') ? openFile(url) : openedResponse(await fetch(url))),
  async wasm(place) {
    if (place === undefined) return readFile(find('twindex-embed.wasm'));
    return place.startsWith('file:') ? readFile(fileURLToPath(place)) : fetch(place);
  },
  post: (message, transfer) => port.postMessage(message, transfer),
});

port.on('message', (message) => host.receive(message));
port.on('messageerror', (error) => {
  throw error;
});
