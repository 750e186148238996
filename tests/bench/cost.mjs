// @ts-check
/**
 * How the cost of a search grows with the number of vectors: `node cost.mjs DIR [OUT] [--bench PROGRAM] [--most ROWS] [--only KEY]...`.
 *
 * DIR is a folder laid out like `data/wordnet`. Each way of searching is measured by itself, in a process of its own, at each number of rows: natively by `bench --cost`, in WebAssembly
 * by `wasm/bench/cost.mjs`. Writes `COST.md`, `cost.svg` and `cost.json` to OUT, this folder unless told; with `--only` the other ways keep what `cost.json` has there. `scripts/cost.sh` builds what it needs
 * and runs it.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { plot } from './plot.mjs';

/** @typedef {{ rows: number, build_ms: number, query_ms: number, query_least_ms: number, bytes: number | null, recall: number | null }} Cost */
/** @typedef {{ key: string, name: string, side: 'native' | 'wasm', mode: string }} Way */
/** @typedef {Way & { costs: Cost[] }} Measured */

const SIZES = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];

/** @type {Way[]} */
const WAYS = [
  { key: 'exact', name: 'Twindex, exact', side: 'native', mode: 'exact' },
  { key: 'approximate', name: 'Twindex, recall 0.99', side: 'native', mode: 'approximate' },
  { key: 'faiss-flat', name: 'FAISS Flat', side: 'native', mode: 'faiss-flat' },
  { key: 'faiss-hnsw', name: 'FAISS HNSW32', side: 'native', mode: 'faiss-hnsw' },
  { key: 'read-codes', name: 'reading 8-bit codes', side: 'native', mode: 'read-codes' },
  { key: 'read-vectors', name: 'reading vectors', side: 'native', mode: 'read-vectors' },
  { key: 'wasm-exact', name: 'Twindex in WebAssembly, exact', side: 'wasm', mode: 'exact' },
  { key: 'wasm-approximate', name: 'Twindex in WebAssembly, recall 0.99', side: 'wasm', mode: 'approximate' },
  { key: 'wasm-javascript', name: 'JavaScript loop', side: 'wasm', mode: 'javascript' },
  { key: 'wasm-read-vectors', name: 'reading vectors in WebAssembly', side: 'wasm', mode: 'read-vectors' },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bench: { type: 'string' }, most: { type: 'string' }, only: { type: 'string', multiple: true } },
});
const [folder, out = fileURLToPath(new URL('.', import.meta.url))] = positionals;
if (folder === undefined || !(values.only ?? []).every((key) => WAYS.some((way) => way.key === key))) {
  console.error(`usage: node cost.mjs DIR [OUT] [--bench PROGRAM] [--most ROWS] [--only KEY]...; keys: ${WAYS.map(({ key }) => key).join(', ')}`);
  process.exit(2);
}
const program = values.bench ?? fileURLToPath(new URL('../../target/release/bench', import.meta.url));
const inWasm = fileURLToPath(new URL('../../wasm/bench/cost.mjs', import.meta.url));
const most = Number(values.most ?? SIZES.at(-1));

/** @param {Way} way @param {number} rows @returns {Cost} */
function cost({ side, mode }, rows) {
  const [command, args] = side === 'native' ? [program, [folder, '--rows', `${rows}`, '--cost', mode]] : [process.execPath, ['--max-old-space-size=8192', inWasm, mode, resolve(folder), `${rows}`]];
  const output = execFileSync(command, /** @type {string[]} */ (args), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '');
}

/** What was measured before. @type {{ key: string, costs: Cost[] }[]} */
const before = values.only ? JSON.parse(readFileSync(join(out, 'cost.json'), 'utf8')) : [];
/** @type {Measured[]} */
const measured = WAYS.map((way) => ({ ...way, costs: (isChosen(way) ? undefined : before.find(({ key }) => key === way.key)?.costs) ?? [] }));

/** @param {Way} way */
function isChosen({ key }) {
  return values.only?.includes(key) ?? true;
}

for (const rows of SIZES.filter((rows) => rows <= most)) {
  for (const way of measured.filter(isChosen)) {
    const found = cost(way, rows);
    way.costs.push(found);
    writeFileSync(join(out, 'cost.json'), `${JSON.stringify(measured.map(({ key, costs }) => ({ key, costs })), null, 1)}\n`);
    console.log(`${way.name}, ${rows}: ${milliseconds(found.query_ms)} ms${found.bytes === null ? '' : `, ${(found.bytes / 1e6).toFixed(1)} MB`}`);
  }
}

const faiss = /** @type {any} */ (measured.find(({ side }) => side === 'native')?.costs[0])?.faiss ?? 'of another version';

/** @param {number} time */
function milliseconds(time) {
  return time.toFixed(time < 0.1 ? 3 : time < 10 ? 2 : 1);
}

/** @param {(cost: Cost) => string} cell */
const table = (cell) => {
  const sizes = SIZES.filter((rows) => rows <= most);
  const head = ['', ...sizes.map((rows) => rows.toLocaleString('en'))];
  const lines = measured.map(({ name, costs }) => [name, ...sizes.map((_, i) => (costs[i] === undefined ? '' : cell(costs[i])))]);
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...lines.filter((line) => line.slice(1).some((text) => text !== ''))].map((line) => `| ${line.join(' | ')} |`).join('\n');
};

const text = `# How the cost of a search grows

![Time for a query and memory, by the number of vectors](cost.svg)

Made by \`scripts/cost.sh\` (${cpus()[0]?.model.trim() ?? 'an unknown processor'}, Node ${process.versions.node}, one thread, vectors of 384 numbers, squared L2, k = 10): WordNet's definitions, and from the last of them on
seeded copies, each moved a little. Every way in a process of its own. FAISS is ${faiss}; its graph keeps 64 candidates.
Exact answers were compared with a full scan; of the others the recall is told. In WebAssembly by plain SIMD. Memory is by how much the process grew natively, the module's
memory in WebAssembly, and the vectors' own bytes for FAISS Flat and the loop. The machine had other work too: read orders of magnitude.

## Milliseconds a query (median)

${table(({ query_ms }) => milliseconds(query_ms))}

## Megabytes of memory, documents without texts included

${table(({ bytes }) => (bytes === null ? '' : (bytes / 1e6).toFixed(1)))}

## Milliseconds from vectors in hand to the first answer

${table(({ build_ms, recall }) => (recall === null ? '' : build_ms.toFixed(0)))}

## Share of the ten nearest that was found

${table(({ recall }) => (recall === null ? '' : recall.toFixed(3)))}
`;
writeFileSync(join(out, 'COST.md'), text);
writeFileSync(
  join(out, 'cost.svg'),
  plot([
    { title: 'Milliseconds a query', lines: measured.map(({ name, side, costs }) => ({ name, dashed: side === 'wasm', points: costs.map(({ rows, query_ms }) => [rows, query_ms]) })) },
    { title: 'Megabytes of memory', lines: measured.map(({ name, side, costs }) => ({ name, dashed: side === 'wasm', points: costs.flatMap(({ rows, bytes }) => (bytes === null || bytes <= 0 ? [] : [[rows, bytes / 1e6]])) })) },
  ]),
);
