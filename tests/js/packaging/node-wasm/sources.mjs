import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const path = createRequire(import.meta.url).resolve('twindex/twindex.wasm');
const respond = async (headers) => new Response(await readFile(path), { headers });
const typed = { 'content-type': 'application/wasm' };

/** Each way to give the module to `init`. */
export const SOURCES = {
  url: (init) => init(pathToFileURL(path)),
  address: (init) => init(pathToFileURL(path).href),
  path: (init) => init(path),
  response: async (init) => init(await respond(typed)),
  promisedResponse: (init) => init(respond(typed)),
  untypedResponse: async (init) => init(await respond({})),
  bytes: async (init) => init(new Uint8Array(await readFile(path))),
  buffer: async (init) => init(new Uint8Array(await readFile(path)).buffer),
  module: async (init) => init(await WebAssembly.compile(await readFile(path))),
};
