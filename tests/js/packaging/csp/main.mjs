import * as twindex from './node_modules/twindex/dist/index.mjs';
import * as worker from './node_modules/twindex/dist/worker.mjs';
import { scenario } from './scenario.mjs';

async function main() {
  const onPage = await scenario(twindex, 'page');
  const inWorker = await scenario(worker, 'worker');
  let evaluated = 'ran';
  try {
    (0, eval)('1'); // shows that the policy is in force, and comes after all other reports
  } catch (error) {
    evaluated = error.name;
  }
  return { onPage, inWorker, evaluated };
}

globalThis.outcome = main();
