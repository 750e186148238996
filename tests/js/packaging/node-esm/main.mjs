import { VectorStore, VectorStoreError, version } from 'twindex';

import { scenario } from './scenario.mjs';

const result = await scenario({ VectorStore, VectorStoreError }, 'stores');
console.log(JSON.stringify({ result, version }));
