// Writes the folder `data/` that the page reads: the dictionary, the model with weights of half the size, and `site.json`, which says what there is.
//
//   node www/scripts/site.mjs --index FILE [--approximate FILE] --twindex PROGRAM [--model FOLDER] --out FOLDER -- OPTIONS_OF_TWINDEX_SEARCH...

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeHalved } from '../../scripts/model-f16.mjs';

const MODEL = 'all-MiniLM-L6-v2';
/** Questions that the native program is timed with. */
const QUESTIONS = 40;

const { values, positionals } = parseArgs({
  options: { index: { type: 'string' }, approximate: { type: 'string' }, twindex: { type: 'string' }, model: { type: 'string' }, out: { type: 'string' } },
  allowPositionals: true,
});
const { index, approximate, twindex, model, out } = values;
if (index === undefined || twindex === undefined || out === undefined) throw new Error('--index, --twindex and --out are needed');

mkdirSync(out, { recursive: true });
const site = { dictionary: dictionary(index, out), approximate: approximate === undefined ? null : approximateIndex(approximate, out), model: model === undefined ? null : await copyModel(model, out), native: time(twindex, index) };
writeFileSync(join(out, 'site.json'), `${JSON.stringify(site, null, 2)}\n`);
console.log(`site: ${site.dictionary.entries} entries, ${mega(site.dictionary.bytes)}; ${site.model === null ? 'no model' : `model ${mega(site.model.bytes)}`}; natively ${site.native.questionMs.toFixed(1)} ms a question`);

/** @param {number} bytes */
function mega(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * @param {string} file
 * @param {string} folder
 */
function dictionary(file, folder) {
  return { ...copy(file, folder, 'dictionary.twindex'), entries: info(file).count, source: 'WordNet 3.0' };
}

/**
 * @param {string} file
 * @param {string} folder
 */
function approximateIndex(file, folder) {
  const { kind, parameters } = info(file);
  const set = Object.entries(parameters ?? {}).filter(([name]) => name !== 'nlist').map(([name, value]) => `, ${name} ${value}`).join('');
  return { ...copy(file, folder, 'approximate.twindex'), kind: `${kind}${set}` };
}

/**
 * @param {string} file
 * @param {string} folder
 * @param {string} name
 */
function copy(file, folder, name) {
  const content = readFileSync(file);
  writeFileSync(join(folder, name), content);
  return { url: name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

/** @param {string} file */
function info(file) {
  return JSON.parse(execFileSync(/** @type {string} */ (twindex), ['info', file, '--json'], { encoding: 'utf8' }));
}

/**
 * Copies a sentence-transformers folder, its weights as f16: half the download, and vectors that differ by 5e-4 at most.
 *
 * @param {string} from
 * @param {string} folder
 */
async function copyModel(from, folder) {
  const to = join(folder, MODEL);
  await writeHalved(from, to);
  const files = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return { url: `${MODEL}/`, name: MODEL, bytes };
}

/**
 * What the native program takes for a question, embedding and search: many at once less one at once, so that starting and opening do not count.
 *
 * @param {string} program
 * @param {string} file
 */
function time(program, file) {
  const run = (/** @type {number} */ questions) => {
    const texts = Array.from({ length: questions }, (_, i) => `a word for something that happens ${i + 1} times a day`);
    const started = performance.now();
    execFileSync(program, ['search', file, ...texts, '-k', '10', '--json', ...positionals], { stdio: ['ignore', 'ignore', 'ignore'] });
    return performance.now() - started;
  };
  run(1);
  const one = Math.min(run(1), run(1));
  const many = Math.min(run(QUESTIONS + 1), run(QUESTIONS + 1));
  return { questionMs: Math.max(0, (many - one) / QUESTIONS), questions: QUESTIONS };
}

