import { init, VectorStore, VectorStoreError } from './node_modules/twindex/dist/index.mjs';
import { scenario } from './scenario.mjs';

const address = new URL('given.wasm', import.meta.url);
const bytes = async () => (await fetch(address)).arrayBuffer();

const load = {
  url: () => init(address),
  address: () => init('given.wasm'),
  response: async () => init(await fetch(address)),
  promisedResponse: () => init(fetch(address)),
  untypedResponse: async () => init(new Response(await bytes())),
  bytes: async () => init(new Uint8Array(await bytes())),
  buffer: async () => init(await bytes()),
  module: async () => init(await WebAssembly.compile(await bytes())),
};

await load[self.name]();
postMessage(await scenario({ VectorStore, VectorStoreError }, self.name));
