import { VectorStore, VectorStoreError, version } from 'twindex';

import { scenario } from './scenario.mjs';

async function main() {
  const result = await scenario({ VectorStore, VectorStoreError });
  const store = await VectorStore.create();
  const { simd } = await store.info();
  store.free();
  const databases = await indexedDB.databases();
  return { result, version, simd, databases: databases.length };
}

globalThis.outcome = main();
