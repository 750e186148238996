import { type Embedder, WORDS_DIM } from './embedder.ts';

/** Words that say little about what a text is about. */
const COMMON = new Set(
  'a an and are as at be being been but by can do does for from had has have he her his how i if in into is it its me my not of on one or our she so some someone something such than that the their them there they this to up was we were what when where which who whose will with would you your'.split(' '),
);

/** The last number is the same for all texts, and small: no vector is all zeros, which cosine could not compare. */
const PLACES = WORDS_DIM - 1;
const FLOOR = 1e-3;

/** How much the parts of a word weigh, together, beside the word itself: enough that `barrels` meets `barrel`. */
const PARTS = 0.8;

/** Over how many places a word, and a part of one, is spread: where some are taken by something else, the others are not. */
const WORD_PLACES = 6;
const PART_PLACES = 2;

/**
 * Shared words and parts of words, hashed into vectors: what works without a model, in any language that has letters. It knows nothing of meaning.
 */
export class Lexical implements Embedder {
  async embedDocuments(texts: readonly string[]): Promise<Float32Array[]> {
    return texts.map(embed);
  }

  async embedQuery(text: string): Promise<Float32Array> {
    return embed(text);
  }

  /** Which of the texts share a word with another one, or a part of a word: hashes alone may take one for another. */
  sharing(query: string): (text: string) => boolean {
    const wanted = new Set(wordsOf(query).flatMap((word) => (COMMON.has(word) ? [] : [word, ...partsOf(word)])));
    return (text) => wordsOf(text).some((word) => wanted.has(word) || partsOf(word).some((part) => wanted.has(part)));
  }
}

function embed(text: string): Float32Array {
  const counts = new Map<string, number>();
  for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const vector = new Float32Array(WORDS_DIM);
  for (const [word, count] of counts) {
    // A text that says a word ten times is not ten times as much about it.
    const weight = (1 + Math.log(count)) * (COMMON.has(word) ? 0.05 : 1);
    add(vector, word, weight, WORD_PLACES);
    const parts = partsOf(word);
    for (const part of parts) add(vector, part, (PARTS * weight) / Math.sqrt(parts.length), PART_PLACES);
  }
  vector[PLACES] = FLOOR;
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

const wordsOf = (text: string): string[] => text.toLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, '').match(/[\p{L}\p{N}]+/gu) ?? [];

/** Four letters at a time, its ends marked. */
function partsOf(word: string): string[] {
  if (word.length < 4 || COMMON.has(word)) return [];
  const framed = ` ${word} `;
  return Array.from({ length: framed.length - 3 }, (_, i) => framed.slice(i, i + 4));
}

function add(vector: Float32Array, feature: string, weight: number, places: number): void {
  const hash = fnv1a(feature);
  let place = hash & 0xffff;
  const step = (hash >>> 16) | 1;
  for (let i = 0; i < places; i++, place += step) {
    const at = (place >>> 1) % PLACES;
    vector[at] = (vector[at] ?? 0) + (place & 1 ? weight : -weight) / Math.sqrt(places);
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 0;
}
