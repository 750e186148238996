import { TwindexVectorStore } from 'twindex/langchain';

import { run } from './chain.mjs';

globalThis.outcome = run(TwindexVectorStore, 'stores');
