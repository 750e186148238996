import { VectorStore, VectorStoreError, version } from 'twindex';
import * as worker from 'twindex/worker';

import { scenario } from '../scenario.mjs';

async function main() {
  const onPage = await scenario({ VectorStore, VectorStoreError }, 'page');
  const inWorker = await scenario(worker, 'worker');
  return { onPage, inWorker, version };
}

globalThis.outcome = main();
