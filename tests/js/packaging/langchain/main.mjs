import { TwindexVectorStore } from 'twindex/langchain';

import { run } from './chain.mjs';

console.log(JSON.stringify(await run(TwindexVectorStore, 'stores')));
