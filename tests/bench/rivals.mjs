// @ts-check
/**
 * Measures Twindex against other vector search packages: `node rivals.mjs DIR [--rows N] [--package TARBALL]`.
 *
 * DIR is a folder laid out like `data/wordnet`. `README.md` says what is measured. Every answer is checked; exit code 1 if
 * one of Twindex is wrong. A rival that cannot be measured, or answers wrongly, is named with the reason. The last line
 * is one JSON object.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { loadData } from '../../wasm/bench/data.mjs';
import { Exact, K } from '../../wasm/bench/exact.mjs';
import { findPackage, loadPackage } from '../js/lib/package.mjs';
import { HNSW, RIVALS, TWINDEX } from './contestants.mjs';
import { Failed, play } from './match.mjs';
import { NOT_COMPARED } from './not-compared.mjs';
import { median, short, table } from './words.mjs';

/** @typedef {import('./contestants.mjs').Contestant} Contestant */
/** @typedef {import('./match.mjs').Played} Played */

/**
 * What came of a contestant: milliseconds, and memory.
 *
 * @typedef {{ built: number, query: number, recall: number, megabytes: number }} Measured
 */

/**
 * The same for a rival, and how many times as long it took as each of {@link TWINDEX} in the same match.
 *
 * @typedef {Measured & { kind: string, exact: boolean, builtRatios: number[], queryRatios: number[] }} Compared
 */

const USAGE = 'usage: node rivals.mjs DIR [--rows N] [--package TARBALL] [--only WORD]... [--limit SECONDS]';
/** Different queries that are asked. */
const QUERIES = 100;

/** Reads the command line, or says how it is written. */
function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rows: { type: 'string', default: '100000' },
        package: { type: 'string' },
        only: { type: 'string', multiple: true, default: [''] },
        limit: { type: 'string', default: '1800' },
      },
    });
    const [rows, limit] = [Number(values.rows), Number(values.limit)];
    if (positionals.length !== 1 || !Number.isSafeInteger(rows) || rows < K || !(limit > 0)) throw new Error(USAGE);
    return { folder: positionals[0], rows, limit, packagePath: values.package, only: values.only };
  } catch (cause) {
    console.error(USAGE);
    process.exit(2);
  }
}

/**
 * Rows of length 1.
 *
 * @param {Float32Array} rows
 * @param {number} dim
 */
function scaled(rows, dim) {
  const unit = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += dim) {
    const length = Math.hypot(...rows.subarray(at, at + dim));
    for (let i = at; i < at + dim; i++) unit[i] = rows[i] / length;
  }
  return unit;
}

/**
 * What is wrong with the answers.
 *
 * @param {Contestant} contestant
 * @param {Played} played
 * @returns {string[]}
 */
function faultsOf({ exact: promised, rounded }, { found }) {
  return found.flatMap(({ hits }, number) => {
    const query = queries.subarray(number * dim, (number + 1) * dim);
    const known = new Set(hits.map(({ row }) => row).filter((row) => Number.isInteger(row) && row >= 0 && row < rows));
    if (hits.length !== K || known.size !== K) {
      return [`query ${number}: ${K} different rows expected, got ${hits.map(({ row }) => row).join(', ')}`];
    }
    if (promised) return exact.faults('ip', query, hits, `${number}`);
    return rounded || exact.scoresHold('ip', query, hits) ? [] : [`query ${number}: scores that are not those of its rows`];
  });
}

/**
 * @param {Played} played
 * @returns {Measured}
 */
function measured({ built, found }) {
  const recalls = found.map(({ hits }, number) => {
    return exact.recall('ip', queries.subarray(number * dim, (number + 1) * dim), hits, `${number}`);
  });
  return {
    built: built.ms,
    query: median(found.map(({ ms }) => ms)),
    recall: recalls.reduce((sum, recall) => sum + recall, 0) / recalls.length,
    megabytes: built.bytes / 1e6,
  };
}

/** What came of Twindex in each match. @type {Measured[][]} */
const own = TWINDEX.map(() => []);
/** @type {Map<string, Compared>} */
const compared = new Map();
/** @type {Record<string, string>} */
const failed = {};
/** @type {Record<string, string>} */
const wrong = {};
/** @type {string[]} */
const faults = [];

/**
 * Plays a match and keeps what came of it.
 *
 * @param {Contestant} rival
 */
async function compare(rival) {
  const [its, ...ofTwindex] = await play([rival, ...TWINDEX], setting);
  for (const [i, contestant] of TWINDEX.entries()) {
    faults.push(...faultsOf(contestant, ofTwindex[i]).map((fault) => `${contestant.name}, ${fault}`));
    own[i].push(measured(ofTwindex[i]));
  }
  const [fault] = faultsOf(rival, its);
  if (fault !== undefined) wrong[rival.name] = fault;
  const of = measured(its);
  compared.set(rival.name, {
    ...of,
    kind: rival.kind,
    exact: rival.exact,
    builtRatios: own.map((matches) => of.built / matches[matches.length - 1].built),
    queryRatios: own.map((matches) => of.query / matches[matches.length - 1].query),
  });
}

/** @param {readonly Contestant[]} rivals */
async function compareAll(rivals) {
  for (const rival of rivals) {
    try {
      await compare(rival);
      const [ratio] = compared.get(rival.name)?.queryRatios ?? [];
      console.error(`${rival.name}: ${short(ratio)} times as long as twindex`);
    } catch (error) {
      if (!(error instanceof Failed) || error.contestant !== rival.name) throw error;
      failed[rival.name] = error.message;
      console.error(`${rival.name}: ${error.message}`);
    }
  }
}

/**
 * The medians over all matches.
 *
 * @param {readonly Measured[]} matches
 * @returns {Measured}
 */
const overall = (matches) => ({
  built: median(matches.map(({ built }) => built)),
  query: median(matches.map(({ query }) => query)),
  recall: median(matches.map(({ recall }) => recall)),
  megabytes: median(matches.map(({ megabytes }) => megabytes)),
});

/** @param {Measured} measured */
const cells = ({ built, query, recall, megabytes }) => [
  short(built / 1000),
  short(query),
  recall.toFixed(3),
  megabytes.toFixed(1),
];

/** Prints what was measured, the fastest first. */
function printTable() {
  const found = [...compared].sort(([, a], [, b]) => a.queryRatios[0] - b.queryRatios[0]);
  const heading = ['', 'kind', 'answers', 'build s', 'query ms', 'recall@10', 'memory MB'];
  const ratios = TWINDEX.flatMap(({ name }) => [`build / ${name}`, `query / ${name}`]);
  const lines = [
    [...heading, ...ratios],
    ...TWINDEX.map(({ name, kind }, i) => [name, kind, 'exact', ...cells(overall(own[i])), ...ratios.map(() => '')]),
    ...found.map(([name, its]) => [
      name,
      its.kind,
      wrong[name] === undefined ? (its.exact ? 'exact' : 'near') : 'WRONG',
      ...cells(its),
      ...TWINDEX.flatMap((_, i) => [short(its.builtRatios[i]), short(its.queryRatios[i])]),
    ]),
  ];
  console.log(table(lines).join('\n'));
}

/**
 * Numbers of all rivals, for the last line.
 *
 * @param {(its: Compared) => number} ratio
 */
const ratiosOf = (ratio) => Object.fromEntries([...compared].map(([name, its]) => [name, Number(ratio(its).toPrecision(4))]));

/**
 * The two ratios that have a floor: to the fastest package in WebAssembly that promises the true neighbours, for a query, and to hnswlib-node's graph, until it can search. Null
 * where there was none to compare with.
 */
function floors() {
  const [best] = [...compared]
    .filter(([name, its]) => its.kind === 'wasm' && its.exact && wrong[name] === undefined)
    .sort(([, a], [, b]) => a.queryRatios[0] - b.queryRatios[0]);
  const graph = compared.get('hnswlib-node HNSW');
  const each = (/** @type {number[]} */ ratios) =>
    Object.fromEntries(TWINDEX.map(({ name }, i) => [name, Number(ratios[i].toPrecision(4))]));
  return {
    query_best_exact_wasm_to_twindex: best ? { rival: best[0], ...each(best[1].queryRatios), floor: 15 } : null,
    build_hnswlib_node_to_twindex: graph ? { ...each(graph.builtRatios), floor: 50 } : null,
  };
}

function printNames() {
  for (const [name, reason] of Object.entries(failed)) console.log(`not measured: ${name}: ${reason}`);
  for (const [name, reason] of Object.entries(NOT_COMPARED)) console.log(`not compared: ${name}: ${reason}`);
  for (const [name, fault] of Object.entries(wrong)) console.log(`wrong answers: ${name}: ${fault}`);
  for (const fault of faults.slice(0, 20)) console.error(`WRONG: ${fault}`);
  console.log(faults.length === 0 ? 'every answer of Twindex was right' : `${faults.length} answers of Twindex were wrong`);
}

const { folder, rows, limit, packagePath, only } = readArguments();
const data = loadData(folder, rows);
const { dim } = data;
const vectors = scaled(data.vectors, dim);
const queries = scaled(Float32Array.from(data.queries.slice(0, QUERIES).flatMap((query) => [...query])), dim);
const exact = new Exact(vectors, dim);
const { packageRoot } = await loadPackage(findPackage(packagePath));
const place = mkdtempSync(join(tmpdir(), 'twindex-rivals-'));
process.once('exit', () => rmSync(place, { recursive: true, force: true }));
writeFileSync(join(place, 'rows'), vectors);
writeFileSync(join(place, 'queries'), queries);
const setting = { folder: place, dim, queries: queries.length / dim, packageRoot, limit };

const chosen = RIVALS.filter(({ name }) => only.some((word) => name.toLowerCase().includes(word.toLowerCase())));
await compareAll(chosen);

console.log(`${data.source}, all of unit length; ${dim} numbers each; ${setting.queries} queries, k = ${K}; one thread each`);
console.log(`Node ${process.versions.node}, ${cpus()[0]?.model ?? 'an unknown processor'}; graphs: ${JSON.stringify(HNSW)}`);
if (compared.size > 0) printTable();
printNames();
if (faults.length > 0 || compared.size === 0) process.exitCode = 1;
console.log(
  JSON.stringify({
    rows,
    dim,
    k: K,
    ...floors(),
    query_rival_to_twindex: ratiosOf(({ queryRatios }) => queryRatios[0]),
    build_rival_to_twindex: ratiosOf(({ builtRatios }) => builtRatios[0]),
    query_rival_to_twindex_relaxed: ratiosOf(({ queryRatios }) => queryRatios[1]),
    build_rival_to_twindex_relaxed: ratiosOf(({ builtRatios }) => builtRatios[1]),
    recall: ratiosOf(({ recall }) => recall),
    failed,
    wrong,
    not_compared: NOT_COMPARED,
  }),
);
