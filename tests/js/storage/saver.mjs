// @ts-check
/**
 * A process, or a worker of one, that saves version after version under one name: FOLDER NAME FIRST LAST LENGTH, and as a sixth argument the chunk
 * at which it dies.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { storage } from '../../../wasm/js/storage-node.mjs';
import { contentOf, trap } from './content.mjs';

const [directory, name, first, last, length, deadly] = parentPort ? workerData : process.argv.slice(2);

for (let version = Number(first); version <= Number(last); version++) {
  const chunks = contentOf(version, Number(length)).map((chunk, i) =>
    i === Number(deadly) ? trap(chunk, () => process.kill(process.pid, 'SIGKILL')) : chunk,
  );
  if (process.send) process.send(version);
  await storage.save(name, chunks, { directory });
}
if (process.send) process.disconnect();
