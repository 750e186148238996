// Writes what `glosses.sh` embeds: WordNet's definitions as the documents of a data folder, and what is searched for in them.
//
//   node scripts/glosses.mjs FOLDER [--from /usr/share/wordnet]
//
// corpus.jsonl has a line {"id", "text", "metadata"} for each definition, each text once. queries.jsonl has 500: definitions that are then not in
// the corpus, as somebody might put a word he has forgotten, and sentences that use a word of it. Which these are depends on their ids alone.
// query-texts.jsonl has their ids and texts alone, for `twindex build`.

import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { entries } from './wordnet.mjs';

/** Queries of each kind. */
const EACH = 250;

/** @typedef {ReturnType<typeof entries>[number]} Entry */
/** @typedef {{ id: string, text: string, kind: 'definition' | 'usage', source_id: string, source_in_corpus: boolean }} Query */

/**
 * Whether a text has so many words.
 *
 * @param {string} text
 * @param {number} least
 * @param {number} most
 */
function hasWords(text, least, most) {
  const count = text.split(/\s+/).length;
  return count >= least && count <= most;
}

/**
 * In an order that looks like none and is always the same.
 *
 * @param {readonly Entry[]} all
 */
function shuffled(all) {
  const keys = new Map(all.map((entry) => [entry, createHash('sha256').update(entry.id).digest('hex')]));
  const key = (/** @type {Entry} */ entry) => keys.get(entry) ?? '';
  return [...all].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/**
 * The documents and the queries.
 *
 * @param {readonly Entry[]} all
 * @returns {{ corpus: Entry[], queries: Query[] }}
 */
export function split(all) {
  const different = [...new Map([...all].reverse().map((entry) => [entry.text, entry])).values()].reverse();
  const order = shuffled(different);
  const asked = order.filter(({ text }) => hasWords(text, 4, 30)).slice(0, EACH);
  const heldOut = new Set(asked);
  const corpus = different.filter((entry) => !heldOut.has(entry));
  const usages = order
    .filter((entry) => !heldOut.has(entry))
    .flatMap(({ id, metadata }) => metadata.examples.filter((text) => hasWords(text, 5, 25)).slice(0, 1).map((text) => ({ id, text })))
    .slice(0, EACH);
  const queries = asked.flatMap(({ id, text }, i) => [
    { text, kind: /** @type {const} */ ('definition'), source_id: id, source_in_corpus: false },
    ...usages.slice(i, i + 1).map((usage) => ({ text: usage.text, kind: /** @type {const} */ ('usage'), source_id: usage.id, source_in_corpus: true })),
  ]);
  return { corpus, queries: queries.map((query, i) => ({ id: `q${String(i).padStart(3, '0')}`, ...query })) };
}

/** @param {readonly object[]} lines */
const jsonLines = (lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

if (import.meta.filename === realpathSync(process.argv[1] ?? '')) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { from: { type: 'string', default: '/usr/share/wordnet' } } });
  if (positionals.length !== 1) {
    console.error('usage: node scripts/glosses.mjs FOLDER [--from FOLDER]');
    process.exit(2);
  }
  const [folder] = positionals;
  const { corpus, queries } = split(entries(values.from, Infinity));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'corpus.jsonl'), jsonLines(corpus));
  writeFileSync(join(folder, 'queries.jsonl'), jsonLines(queries));
  writeFileSync(join(folder, 'query-texts.jsonl'), jsonLines(queries.map(({ id, text }) => ({ id, text }))));
  console.log(`${corpus.length} definitions, ${queries.length} queries`);
}
