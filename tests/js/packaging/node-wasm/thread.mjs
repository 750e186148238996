import { parentPort, workerData } from 'node:worker_threads';

import { init, VectorStore, VectorStoreError } from 'twindex';

import { scenario } from './scenario.mjs';
import { SOURCES } from './sources.mjs';

await SOURCES[workerData](init);
await init(new URL('file:///nowhere.wasm')); // once loaded, later calls do nothing
parentPort.postMessage(await scenario({ VectorStore, VectorStoreError }, workerData));
