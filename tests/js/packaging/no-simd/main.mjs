// An engine whose validator knows no SIMD: nothing loads, and every way in says why.
WebAssembly.validate = () => false;

const { init, VectorStore, VectorStoreError } = await import('twindex');

const refusals = {};
for (const [name, call] of Object.entries({
  init: () => init(),
  create: () => VectorStore.create(),
  fromVectors: () => VectorStore.fromVectors([[1]], [{ pageContent: 'a' }]),
  deserialize: () => VectorStore.deserialize(new Uint8Array(8)),
})) {
  refusals[name] = await call().then(
    () => 'no error',
    (error) => (error instanceof VectorStoreError ? error.code : String(error)),
  );
}
console.log(JSON.stringify(refusals));
