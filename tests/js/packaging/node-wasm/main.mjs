// Each way to give the module, in a thread of its own, since only the first counts.
import { Worker } from 'node:worker_threads';

import { SOURCES } from './sources.mjs';

const results = {};
for (const source of Object.keys(SOURCES)) {
  results[source] = await new Promise((resolve, reject) => {
    const thread = new Worker(new URL('./thread.mjs', import.meta.url), { workerData: source });
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}
console.log(JSON.stringify(results));
