// Each way to give the module, in a worker of its own, since only the first counts.
const SOURCES = [
  'url',
  'address',
  'response',
  'promisedResponse',
  'untypedResponse',
  'bytes',
  'buffer',
  'module',
];

const run = (source) =>
  new Promise((resolve, reject) => {
    const worker = new Worker('worker.mjs', { type: 'module', name: source });
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = ({ message }) => reject(new Error(`${source}: ${message}`));
  });

async function main() {
  const results = {};
  for (const source of SOURCES) results[source] = await run(source);
  return results;
}

globalThis.outcome = main();
