'use strict';

const { VectorStore, VectorStoreError, version } = require('twindex');

async function main() {
  const { scenario } = await import('./scenario.mjs');
  const result = await scenario({ VectorStore, VectorStoreError }, 'stores');
  console.log(JSON.stringify({ result, version }));
}

main();
