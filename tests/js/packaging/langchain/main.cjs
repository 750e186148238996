'use strict';

const { TwindexVectorStore } = require('twindex/langchain');

import('./chain.mjs').then(async ({ run }) =>
  console.log(JSON.stringify(await run(TwindexVectorStore, 'stores'))),
);
