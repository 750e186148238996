// Writes WordNet's glosses as JSON Lines, for `twindex build`.
//
//   node scripts/wordnet.mjs [--entries 20000 | --all] [--from /usr/share/wordnet] > glosses.jsonl
//
// A line is {"id", "text", "metadata"}: the text is the definition alone, so that a description finds it by its meaning; the words are metadata. The
// files are those of Debian's package wordnet-base (WordNet 3.0, Princeton University; a free licence with notice; wndb(5WN) says how they are laid
// out). Definitions that call their word a slur or an obscenity are left out. Fewer than all entries are those that people most likely look for.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const CATEGORIES =
  'adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl'.split(' ');

const LEFT_OUT = /\bslurs?\b|offensive|obscen|vulgar|disparag|derogat|profan|insulting|contemptuous/i;
const PARTS = /** @type {const} */ ([['n', 'noun'], ['v', 'verb'], ['a', 'adj'], ['r', 'adv']]);
/** What ties a word to its relatives: derived from, antonym, attribute, pertains to. */
const RELATIVES = new Set(['+', '!', '=', '\\']);

/** Kinds of words that are seldom what somebody looks for, and how much that weighs. */
const UNLIKELY = /** @type {const} */ ([[/^adv|^adj\.pert/, 25], [/^adj/, 8], [/^noun\.(plant|animal|substance)$/, 8]]);

/** @typedef {{ id: string, text: string, metadata: { words: string[], word: string, pos: string, category: string, senses: number, uses: number, examples: string[] } }} Entry */
/** @typedef {{ entry: Entry, relatives: number, fewestSenses: number }} Candidate */

/**
 * The lines of a data or index file, its licence left out.
 *
 * @param {string} folder
 * @param {string} name
 */
const lines = (folder, name) =>
  readFileSync(join(folder, name), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('  '));

/**
 * How often each sense was met in the tagged texts, by `lemma%type:file:id`.
 *
 * @param {string} folder
 */
function uses(folder) {
  const counts = new Map();
  for (const line of lines(folder, 'cntlist.rev')) {
    const [key, , count] = line.split(' ');
    // Adjectives that belong to a head word have it at the end of their key; here the beginning is enough.
    const start = key.split(':').slice(0, 3).join(':');
    counts.set(start, (counts.get(start) ?? 0) + Number(count));
  }
  return counts;
}

/**
 * How many senses each word has, by `pos lemma`.
 *
 * @param {string} folder
 */
function senses(folder) {
  const counts = new Map();
  for (const [pos, name] of PARTS) {
    for (const line of lines(folder, `index.${name}`)) {
      const [lemma, , count] = line.split(' ');
      counts.set(`${pos} ${lemma}`, Number(count));
    }
  }
  return counts;
}

const SENSE_TYPES = /** @type {Record<string, number>} */ ({ n: 1, v: 2, a: 3, r: 4, s: 5 });

/**
 * One line of a data file.
 *
 * @param {string} line
 * @param {'n' | 'v' | 'a' | 'r'} pos
 * @param {string} partOfSpeech
 * @param {{ uses: Map<string, number>, senses: Map<string, number> }} counts
 * @returns {Candidate | undefined}
 */
function parse(line, pos, partOfSpeech, counts) {
  const bar = line.indexOf('|');
  const gloss = line.slice(bar + 1).trim();
  if (LEFT_OUT.test(gloss)) return undefined;
  const fields = line.slice(0, bar).trim().split(' ');
  const [offset, file, type] = fields;
  const number = Number.parseInt(fields[3], 16);
  const lemmas = [];
  let used = 0;
  for (let i = 0; i < number; i++) {
    const lemma = fields[4 + 2 * i].replace(/\((a|p|ip)\)$/, '');
    const sense = Number.parseInt(fields[5 + 2 * i], 16);
    lemmas.push(lemma);
    used += counts.uses.get(`${lemma.toLowerCase()}%${SENSE_TYPES[type]}:${file}:${String(sense).padStart(2, '0')}`) ?? 0;
  }
  const start = 4 + 2 * number;
  const pointers = Array.from({ length: Number(fields[start]) }, (_, i) => fields[start + 1 + 4 * i]);
  const quote = gloss.search(/[;:,]?\s*"/);
  const text = (quote > 0 ? gloss.slice(0, quote) : gloss).replace(/[;:\s]+$/, '');
  if (text === '') return undefined;
  const words = lemmas.map((lemma) => lemma.replaceAll('_', ' '));
  const entry = {
    id: pos + offset,
    text,
    metadata: {
      words,
      word: words.join(', '),
      pos: partOfSpeech,
      category: CATEGORIES[Number(file)],
      senses: counts.senses.get(`${pos} ${lemmas[0].toLowerCase()}`) ?? 1,
      uses: used,
      examples: [...gloss.matchAll(/"([^"]+)"/g)].map(([, example]) => example),
    },
  };
  const fewestSenses = Math.min(...lemmas.map((lemma) => counts.senses.get(`${pos} ${lemma.toLowerCase()}`) ?? 1));
  return { entry, relatives: pointers.filter((pointer) => RELATIVES.has(pointer)).length, fewestSenses };
}

/**
 * How likely an entry is what somebody looks for who has forgotten a word. Likelier if the word means this alone, if people use it, if the dictionary's own
 * texts do, if it has relatives; hardly if it is a name, a Latin species or an adverb.
 *
 * @param {Candidate} candidate
 * @param {Map<string, number>} written how often each word is in the dictionary's own texts
 */
function likelihood({ entry: { text, metadata }, relatives, fewestSenses }, written) {
  const plain = metadata.words.filter((word) => /^[a-z]+$/.test(word));
  if (plain.length === 0) return relatives;
  const capped = (/** @type {number} */ count) => Math.min(Math.log2(1 + count), 5);
  const mentions = Math.max(...plain.map((word) => written.get(word) ?? 0));
  const derived = plain.every((word) => /(ness|ly|less|like)$/.test(word)) ? 12 : 0;
  const kind = UNLIKELY.find(([category]) => category.test(metadata.category))?.[1] ?? 0;
  const vague = text.length < 20 ? 8 : 0;
  return 100 + (fewestSenses === 1 ? 30 : 0) + 4 * capped(metadata.uses) + 3 * capped(mentions) + 4 * Math.min(relatives, 2) - kind - derived - vague;
}

/**
 * How often each word is in the definitions and examples.
 *
 * @param {Candidate[]} candidates
 */
function mentions(candidates) {
  const written = new Map();
  for (const { entry } of candidates) {
    for (const [word] of `${entry.text} ${entry.metadata.examples.join(' ')}`.matchAll(/[a-z]+/g)) written.set(word, (written.get(word) ?? 0) + 1);
  }
  return written;
}

/**
 * The entries, in WordNet's order.
 *
 * @param {string} folder
 * @param {number} most
 * @returns {Entry[]}
 */
export function entries(folder, most) {
  const counts = { uses: uses(folder), senses: senses(folder) };
  const all = PARTS.flatMap(([pos, name]) => lines(folder, `data.${name}`).flatMap((line) => parse(line, pos, name, counts) ?? []));
  if (all.length <= most) return all.map(({ entry }) => entry);
  const written = mentions(all);
  const ranks = new Map(all.map((candidate) => [candidate, likelihood(candidate, written)]));
  const kept = new Set([...all].sort((a, b) => (ranks.get(b) ?? 0) - (ranks.get(a) ?? 0)).slice(0, most));
  return all.filter((candidate) => kept.has(candidate)).map(({ entry }) => entry);
}

const USAGE = 'usage: node scripts/wordnet.mjs [--entries N | --all] [--from FOLDER]';

/** What the command line asks for. Throws in words, where it asks for nothing that there is. */
function asked() {
  const { values } = parseArgs({ options: { entries: { type: 'string', default: '20000' }, all: { type: 'boolean', default: false }, from: { type: 'string', default: '/usr/share/wordnet' } } });
  const most = values.all ? Infinity : Number(values.entries);
  if (!values.all && !(Number.isSafeInteger(most) && most >= 1)) throw new Error(`--entries takes a whole number from 1, not "${values.entries}"`);
  if (!existsSync(join(values.from, 'data.noun'))) throw new Error(`${values.from} has no WordNet: there is no data.noun in it (Debian's package is wordnet-base)`);
  return { from: values.from, most };
}

if (import.meta.filename === realpathSync(process.argv[1] ?? '')) {
  try {
    const { from, most } = asked();
    process.stdout.write(entries(from, most).map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  } catch (error) {
    console.error(`wordnet: ${error instanceof Error ? error.message : error} (${USAGE})`);
    process.exitCode = 2;
  }
}
