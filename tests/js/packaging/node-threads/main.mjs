import { Worker } from 'node:worker_threads';

// Two at once, as a pool would.
const results = await Promise.all(
  ['one', 'two'].map(
    (directory) =>
      new Promise((resolve, reject) => {
        const thread = new Worker(new URL('./thread.mjs', import.meta.url), { workerData: directory });
        thread.once('message', resolve);
        thread.once('error', reject);
      }),
  ),
);
console.log(JSON.stringify(results));
