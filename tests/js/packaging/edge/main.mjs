// An edge runtime in short: no fetch, no compiling, no files, no browser; the module is given, and the entry
// is not Node's.
import { readFileSync } from 'node:fs';

const folder = new URL('./node_modules/twindex/', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
const module = new WebAssembly.Module(readFileSync(new URL(exports['./twindex.wasm'], folder)));

new Response(); // Node compiles a module of its own when this is first used
const refuse = () => {
  throw new Error('an edge runtime does not do this');
};
globalThis.fetch = refuse;
for (const name of ['compile', 'compileStreaming', 'instantiateStreaming']) WebAssembly[name] = refuse;
WebAssembly.Module = new Proxy(WebAssembly.Module, { construct: refuse });
for (const name of ['navigator', 'process', 'Blob', 'Worker', 'XMLHttpRequest']) delete globalThis[name];

const { init, VectorStore } = await import(new URL(exports['.']['edge-light'].default, folder).href);

await init(module);
const store = await VectorStore.fromVectors(
  [
    [3, 4],
    [0, 1],
  ],
  [
    { pageContent: 'a', id: 'a' },
    { pageContent: 'b', id: 'b' },
  ],
);
const hits = await store.similaritySearchVectorWithScore([3, 3], 2, ({ id }) => id !== 'b');
const saving = await store.save('name').then(
  () => 'saved',
  ({ code }) => code,
);
console.log(JSON.stringify({ hits: hits.map(([{ id }, score]) => [id, score]), saving }));
