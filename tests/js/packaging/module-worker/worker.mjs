import { VectorStore, VectorStoreError } from './node_modules/twindex/dist/index.mjs';
import { scenario } from './scenario.mjs';

postMessage(await scenario({ VectorStore, VectorStoreError }));
