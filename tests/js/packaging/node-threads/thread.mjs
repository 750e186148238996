import { parentPort, workerData } from 'node:worker_threads';

import { VectorStore, VectorStoreError } from 'twindex';

import { scenario } from './scenario.mjs';

parentPort.postMessage(await scenario({ VectorStore, VectorStoreError }, workerData));
