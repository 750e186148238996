// @ts-check
// `twindex/embed` for Node. It is built to one CommonJS file, which the ES module hands on: both have one class.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { classOver } from './embed-client.mjs';
import { find } from './places.cjs';
import { threadOf } from './thread-node.mjs';

export { VectorStoreError } from './error.mjs';
export { version } from './version.mjs';

export const LocalEmbeddings = classOver({
  start: (given) => threadOf(given, 'embed-host-node.cjs'),
  resolve: (place) => (/^(?:https?|file|data|blob):/.test(place) ? new URL(place).href : pathToFileURL(resolve(place)).href),
  // A server's bundler may have put the worker's code elsewhere.
  get wasm() {
    return pathToFileURL(find('twindex-embed.wasm')).href;
  },
});
