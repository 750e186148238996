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
}

function embed(text: string): Float32Array {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, '').matchAll(/[\p{L}\p{N}]+/gu)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const vector = new Float32Array(WORDS_DIM);
  for (const [word, count] of counts) {
    // A text that says a word ten times is not ten times as much about it.
    const weight = (1 + Math.log(count)) * (COMMON.has(word) ? 0.05 : 1);
    add(vector, word, weight);
    if (COMMON.has(word) || word.length < 4) continue;
    const framed = ` ${word} `;
    const parts = framed.length - 3;
    for (let i = 0; i < parts; i++) add(vector, framed.slice(i, i + 4), (PARTS * weight) / Math.sqrt(parts));
  }
  vector[PLACES] = FLOOR;
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** In two places: where one of them is taken by something else, the other seldom is too. */
function add(vector: Float32Array, feature: string, weight: number): void {
  const hash = fnv1a(feature);
  for (const part of [hash & 0xffff, hash >>> 16]) {
    const place = (part >>> 1) % PLACES;
    vector[place] = (vector[place] ?? 0) + (part & 1 ? weight : -weight);
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 0;
}
