import { VectorStore, VectorStoreError, version } from 'twindex';
import * as worker from 'twindex/worker';

import { scenario } from '../scenario.mjs';

async function main() {
  const onPage = await scenario({ VectorStore, VectorStoreError }, 'stores');
  const inWorker = await scenario(worker, 'worker-stores');
  console.log(JSON.stringify({ onPage, inWorker, version }));
}

main();
