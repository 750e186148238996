import { VectorStore, VectorStoreError, version } from 'twindex';
import * as worker from 'twindex/worker';

import { scenario } from '../scenario.mjs';

/** Runs on both sides: in the browser, and in Next's server. */
export async function stores(place) {
  const onPage = await scenario({ VectorStore, VectorStoreError }, `${place}-main`);
  const inWorker = await scenario(worker, `${place}-worker`);
  return { onPage, inWorker, version };
}
