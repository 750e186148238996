// @ts-check
/**
 * Measures exact searches in Chromium, by both binaries and by that of `twindex/approximate`: `npm run bench:browser [-- DIR] [--native FILE]`.
 *
 * FILE holds what `bench DIR --rows 100000` printed on the same machine: then searches are compared with FAISS's own, natively, on one thread.
 *
 * As `bench.mjs` does it, and with its data; the binaries must give the same answers to the bit. It needs the
 * browser and the packages of `tests/js`.
 */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { launch } from '../../tests/js/lib/browsers.mjs';
import { serve } from '../../tests/js/lib/serve.mjs';
import { assemble } from './assemble.mjs';
import { loadData } from './data.mjs';
import { Exact, K, METRICS } from './exact.mjs';
import { inWords } from './timing.mjs';

/** @typedef {import('./page.mjs').Measured} Measured */
/** @typedef {import('./page.mjs').Task} Task */

const QUERIES = 16;
const SEARCHES = { warmUp: 6, rounds: 48 };
const TRIALS = { warmUp: 3, rounds: 9 };
const READING = 1.3;
const PLAIN_JAVASCRIPT = 2;
/** FAISS natively, to relaxed SIMD. */
const FAISS = 5;

/**
 * @param {Float32Array | Uint8Array} content
 * @param {string} type
 * @returns {(_: unknown, response: import('node:http').ServerResponse) => void}
 */
const answer = (content, type) => (_, response) => {
  const { buffer, byteOffset, byteLength } = content;
  response.writeHead(200, { 'content-type': type, 'content-length': byteLength });
  response.end(Buffer.from(buffer, byteOffset, byteLength));
};

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { native: { type: 'string' } } });
const { source, dim, vectors, queries, documents } = loadData(positionals[0]);
const native = options.native === undefined ? undefined : nativeFigures(options.native);

const asked = queries.slice(0, QUERIES);
/** @type {Task} */
const task = { dim, k: K, queries: asked.length, metrics: METRICS, searches: SEARCHES, trials: TRIALS };
const site = await serve(fileURLToPath(new URL('..', import.meta.url)), {
  // A page by itself has a finer clock.
  headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
  routes: {
    '/': answer(Buffer.from('<!doctype html><title>bench</title>'), 'text/html; charset=utf-8'),
    '/vectors': answer(vectors, 'application/octet-stream'),
    '/queries': answer(new Float32Array(asked.flatMap((query) => [...query])), 'application/octet-stream'),
    '/reading.wasm': answer(assemble(), 'application/wasm'),
  },
});
const browser = await launch('chromium');
/** @type {Measured[]} */
let measured;
try {
  const page = await browser.open(`${site.url}/`);
  measured = await page.evaluate(async (given) => {
    const bench = '/bench/page.mjs';
    return (await import(bench)).measure(given);
  }, task);
} finally {
  await browser.close();
  await site.close();
}

/**
 * What the native benchmark found on one thread, over as many vectors.
 *
 * @param {string} file
 * @returns {Record<string, any>}
 */
function nativeFigures(file) {
  const { one_thread: figures } = JSON.parse(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '');
  if (figures.rows !== documents.length || figures.dim !== dim) {
    throw new Error(`${file}: ${documents.length} x ${dim} vectors expected, got ${figures.rows} x ${figures.dim} (bench DIR --rows ${documents.length})`);
  }
  return figures;
}

/**
 * Says how many times as fast as FAISS natively a binary is.
 *
 * @param {string} metric
 * @param {string} binary
 * @param {number} took
 * @param {number} [floor]
 */
function compareNatively(metric, binary, took, floor) {
  if (native === undefined) return;
  const time = native[`${metric}_1_faiss_ms`];
  const faster = time / took;
  const missed = floor === undefined ? '' : ` (at least ${floor})${faster < floor ? '  MISSED' : ''}`;
  console.log(`    ${faster.toFixed(2)} times as fast as FAISS ${native.faiss}, natively: ${time.toFixed(2)}${missed}`);
  ratios[`faiss_${metric}_to_${binary}`] = Number(faster.toFixed(4));
}

/** @type {string[]} */
const faults = [];
/** @type {Record<string, number>} */
const ratios = {};
const exact = new Exact(vectors, dim);
console.log(`${source}; ${dim} numbers each; Chromium`);
console.log('milliseconds: the median (a tenth took less to a tenth took more, the least)');
for (const { metric, answers, times, way, loop } of measured) {
  for (const [number, given] of answers.entries()) {
    for (const binary of /** @type {const} */ (['relaxed', 'approximate'])) {
      if (JSON.stringify(given[binary]) !== JSON.stringify(given.plain)) {
        faults.push(`${metric}, query ${number}: the binaries ${binary} and plain differ`);
      }
    }
    for (const [who, hits] of Object.entries(given)) {
      faults.push(...exact.faults(metric, asked[number], hits, `${number}`).map((fault) => `${who}, ${fault}`));
    }
  }
  console.log(`search, ${metric}, ${documents.length} rows`);
  console.log(`  reading (${way}): ${inWords(times.reading)}`);
  console.log(`  plain JavaScript (${loop}): ${inWords(times.javascript)}`);
  for (const binary of /** @type {const} */ (['plain', 'relaxed'])) {
    const reading = times[binary].median / times.reading.median;
    const javascript = times.javascript.median / times[binary].median;
    const missed = [reading > READING ? '  MISSED' : '', javascript < PLAIN_JAVASCRIPT ? '  MISSED' : ''];
    console.log(
      `  ${binary} SIMD: ${inWords(times[binary])}; ` +
        `${reading.toFixed(2)} of reading (at most ${READING})${missed[0]}, ` +
        `${javascript.toFixed(2)} times as fast as plain JavaScript (at least ${PLAIN_JAVASCRIPT})${missed[1]}`,
    );
    ratios[`${binary}_${metric}_to_reading`] = Number(reading.toFixed(4));
    ratios[`plain_javascript_${metric}_to_${binary}`] = Number(javascript.toFixed(4));
    compareNatively(metric, binary, times[binary].median, binary === 'relaxed' ? FAISS : undefined);
  }
  const gained = times.relaxed.median / times.approximate.median;
  console.log(`  relaxed SIMD of twindex/approximate: ${inWords(times.approximate)}; ${gained.toFixed(2)} times as fast as relaxed SIMD`);
  ratios[`relaxed_${metric}_to_approximate`] = Number(gained.toFixed(4));
  compareNatively(metric, 'approximate', times.approximate.median);
}
for (const fault of faults.slice(0, 20)) console.error(`WRONG: ${fault}`);
if (faults.length > 0) process.exitCode = 1;
console.log(`${faults.length === 0 ? 'every answer was right' : `${faults.length} answers were wrong`}\n`);
console.log(JSON.stringify(ratios));
