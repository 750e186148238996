// CommonJS, with nothing of the browser in reach when tsconfig.node.json compiles it.
import twindex = require('twindex');

export async function run(): Promise<string[]> {
  await twindex.init(new URL('file:///twindex.wasm'));
  const store = await twindex.VectorStore.fromVectors(
    new Float32Array([1, 2]),
    [{ pageContent: 'a' }],
    null,
    { dim: 2 },
  );
  const hits: [twindex.Document, number][] = await store.similaritySearchVectorWithScore([1, 2], { k: 1 });
  return hits.map(([{ id }]) => id);
}

export async function misuse(store: twindex.VectorStore): Promise<void> {
  // @ts-expect-error the types are in force here, too
  await store.similaritySearch(1);
  // @ts-expect-error null is no module
  await twindex.init(null);
}
