// @ts-check
/** A contestant in a process of its own: `node process.mjs NAME FOLDER DIM PACKAGE`, started by `rivals.mjs`, which sends it {@link Order}s. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { K } from '../../wasm/bench/exact.mjs';
import { RIVALS, TWINDEX } from './contestants.mjs';

/** @typedef {import('../../wasm/bench/exact.mjs').Hit} Hit */
/** @typedef {'build' | number[]} Order to build, or to search for the queries of these numbers */
/** @typedef {{ ms: number, bytes: number }} Built how long it took until the first answer was there, and by what the process has grown */
/** @typedef {{ ms: number, hits: Hit[] }} Found */

setFlagsFromString('--expose-gc');
const collectGarbage = /** @type {() => void} */ (runInNewContext('gc'));

/** The memory of this process, in bytes, once nothing is left to be collected. */
async function memory() {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    // Buffers go a little later.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage.rss();
}

/** @param {string} path */
const numbersOf = (path) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

const [name, folder, dimension, packageRoot] = process.argv.slice(2);
const dim = Number(dimension);
const contestant = [...TWINDEX, ...RIVALS].find((each) => each.name === name);
if (!contestant) throw new Error(`no contestant is called ${name}`);
const vectors = numbersOf(join(folder, 'rows'));
const documents = Array.from({ length: vectors.length / dim }, (_, row) => ({ pageContent: `text ${row}`, id: `${row}`, metadata: {} }));
const asked = numbersOf(join(folder, 'queries'));
const queries = Array.from({ length: asked.length / dim }, (_, i) => asked.slice(i * dim, (i + 1) * dim));
/** @type {import('./contestants.mjs').Index} */
let index;
/** The queries in the form that the index takes. @type {any[]} */
let forms;

/** @returns {Promise<Built>} */
async function build() {
  const started = await /** @type {NonNullable<typeof contestant>} */ (contestant).load(packageRoot);
  const before = await memory();
  const start = performance.now();
  index = await started({ vectors, dim, documents });
  const built = performance.now() - start;
  forms = queries.map((query) => index.query?.(query) ?? query);
  // What is put off until the first search belongs to building.
  const { ms } = await find(0);
  return { ms: built + ms, bytes: (await memory()) - before };
}

/**
 * @param {number} number
 * @returns {Promise<Found>}
 */
async function find(number) {
  const start = performance.now();
  const answer = await index.search(forms[number], K);
  const ms = performance.now() - start;
  return { ms, hits: index.hits(answer) };
}

/** @param {Order} order */
async function obey(order) {
  if (order === 'build') return build();
  const found = [];
  for (const number of order) found.push(await find(number));
  return found;
}

/** @param {unknown} error */
const inWords = (error) => (error instanceof Error ? error.message : String(error)).split('\n')[0];

process.on('message', async (/** @type {Order} */ order) => {
  const answer = await obey(order).then(
    (result) => ({ result }),
    (error) => ({ error: inWords(error) || 'it failed without a word' }),
  );
  process.send?.(answer);
});
