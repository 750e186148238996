// @ts-check
// What `twindex/embed` runs in a browser's worker.
import { openedResponse } from './embed-files.mjs';
import { EmbedHost } from './embed-host.mjs';

const worker = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
const host = new EmbedHost({
  open: async (url) => openedResponse(await fetch(url)),
  // Bundlers look for this very expression.
  wasm: (place) => fetch(place ?? String(new URL('./twindex-embed.wasm', import.meta.url))),
  post: (message, transfer) => worker.postMessage(message, transfer),
});

worker.addEventListener('message', ({ data }) => host.receive(data));
worker.addEventListener('messageerror', () => {
  throw new Error('a message cannot be read');
});
