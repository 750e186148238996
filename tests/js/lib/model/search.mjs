// @ts-check
/**
 * Searches by brute force, and whether an answer is one that exact search could give.
 *
 * The store sums in f32 and the model in f64, so two scores closer than rounding may come in either order.
 * What is certain is checked: whatever is clearly better comes first and is there, and of documents whose
 * scores are equal beyond doubt the earlier position comes first.
 */

import { isSameData } from '../compare.mjs';
import { write } from '../json.mjs';
import { accepts } from './filter.mjs';
import { isSameVector, length } from './model.mjs';

/** @typedef {import('../answer.mjs').Found} Found */
/** @typedef {import('./model.mjs').Model} Model */
/** @typedef {'no' | 'maybe' | 'yes'} Certainty whether something holds, where rounding may leave it open */

/**
 * A document that a search may return.
 *
 * @typedef {object} Candidate
 * @property {number} position
 * @property {number} score
 * @property {number} slack how far rounding may move the score
 * @property {boolean} exact whether every way to sum it in f32 gives this very number
 */

/**
 * What a search is asked for.
 *
 * @typedef {object} Selection
 * @property {number} k how many at most
 * @property {number | null} rawThreshold on raw scores, before the cut to `k`
 * @property {number | null} relevanceThreshold on relevances, after the cut to `k`
 * @property {boolean} byRelevance whether scores are relevances
 */

/**
 * @typedef {{ candidate: Candidate, certainty: Certainty }} Passing a candidate that passes a threshold, for
 * sure or perhaps
 */

/** Relative room for rounding between two scores. */
const NEAR = 1e-6;
/** Room between a score and what it should be, as the cases have it. */
const SCORE = 1e-5;
/** Bits of precision of an f32. */
const BITS = 24;

/** What is wrong with an answer. */
export class Wrong extends Error {}

/**
 * Whether two numbers are the same score.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} slack
 */
export function isSameScore(a, b, slack) {
  // The first holds for infinities too.
  return (
    Math.fround(a) === Math.fround(b) ||
    Math.abs(a - b) <= Math.max(SCORE * Math.max(1, Math.abs(a), Math.abs(b)), slack)
  );
}

/**
 * @param {number} value
 * @param {number} bound
 * @param {number} slack
 * @returns {Certainty}
 */
function atLeast(value, bound, slack) {
  if (Math.abs(value - bound) <= Math.max(slack, NEAR * Math.max(1, Math.abs(bound)))) return 'maybe';
  return value > bound ? 'yes' : 'no';
}

/**
 * Whether the sum is the same in f32 whatever the order: all terms are multiples of one power of two, and
 * few.
 *
 * @param {number[]} terms
 * @param {number} size the sum of their absolute values
 */
function isExactSum(terms, size) {
  for (let bits = 0; bits <= BITS; bits += 1) {
    const scale = 2 ** bits;
    if (size * scale < 2 ** BITS && terms.every((term) => (term * scale) % 1 === 0)) return true;
  }
  return false;
}

/**
 * The score of a prepared query and the document at a position.
 *
 * @param {Model} model
 * @param {Float64Array} query
 * @param {number} position
 * @returns {Candidate}
 */
function candidateAt({ metric, normalize, entries }, query, position) {
  const row = entries[position]?.vector ?? new Float64Array();
  const terms = Array.from(row, (x, i) => {
    const q = query[i] ?? NaN;
    return metric === 'l2' ? (q - x) * (q - x) : q * x;
  });
  const sum = terms.reduce((a, b) => a + b, 0);
  const size = terms.reduce((a, b) => a + Math.abs(b), 0);
  if (metric === 'cosine') {
    const cosine = sum / (length(query) * length(row));
    return { position, score: Math.min(1, Math.max(-1, cosine)), slack: NEAR, exact: false };
  }
  // Scaling to unit length rounds.
  const exact = !normalize && isExactSum(terms, size);
  return { position, score: sum, slack: NEAR * (metric === 'l2' && normalize ? sum + 1 : size), exact };
}

/**
 * Every document that a filter accepts, in order of position, for a query that was checked; null if the
 * filter function failed.
 *
 * @param {Model} model
 * @param {Float32Array} query
 * @param {import('../json.mjs').Json} filter
 * @param {import('./values.mjs').Notes} notes
 * @returns {Candidate[] | null}
 */
export function candidatesOf(model, query, filter, notes) {
  const prepared = model.prepare(query);
  const candidates = [];
  let raised = false;
  for (const [position, { metadata }] of model.entries.entries()) {
    try {
      if (filter === null || accepts(filter, metadata, notes)) {
        candidates.push(candidateAt(model, prepared, position));
      }
    } catch {
      raised = true;
    }
  }
  return raised ? null : candidates;
}

/**
 * Whether `a` must come before `b`.
 *
 * @param {Model} model
 * @param {Candidate} a
 * @param {Candidate} b
 */
export function comesBefore(model, a, b) {
  if (isTie(model, a, b)) return a.position < b.position;
  const ahead = model.metric === 'l2' ? b.score - a.score : a.score - b.score;
  return ahead > a.slack + b.slack;
}

/**
 * Whether two scores are equal beyond doubt.
 *
 * @param {Model} model
 * @param {Candidate} a
 * @param {Candidate} b
 */
export function isTie(model, a, b) {
  return (
    (a.exact && b.exact && a.score === b.score) ||
    isSameVector(model.entry(a.position).raw, model.entry(b.position).raw)
  );
}

/**
 * Whether a raw score passes a raw threshold.
 *
 * @param {Model} model
 * @param {Candidate} candidate
 * @param {number | null} threshold
 * @returns {Certainty}
 */
function passes({ metric }, { score, slack, exact }, threshold) {
  if (threshold === null) return 'yes';
  // The store compares in f32.
  const bound = Math.fround(threshold);
  if (exact && Math.fround(score) === score) {
    return (metric === 'l2' ? score <= bound : score >= bound) ? 'yes' : 'no';
  }
  return metric === 'l2' ? atLeast(-score, -bound, slack) : atLeast(score, bound, slack);
}

/**
 * The candidates that pass a raw threshold, for sure or perhaps.
 *
 * @param {Model} model
 * @param {Candidate[]} candidates
 * @param {number | null} threshold
 * @returns {Passing[]}
 */
export function passing(model, candidates, threshold) {
  return candidates
    .map((candidate) => ({ candidate, certainty: passes(model, candidate, threshold) }))
    .filter(({ certainty }) => certainty !== 'no');
}

/**
 * The relevance of a raw score.
 *
 * @param {Model} model
 * @param {number} score
 */
function relevanceOf({ relevance, metric }, score) {
  if (relevance) return relevance(score);
  return metric === 'l2' ? 1 - score / Math.SQRT2 : score;
}

/**
 * Whether a candidate is among the best `k` of a pool.
 *
 * @param {Model} model
 * @param {Passing[]} pool
 * @param {number} at
 * @param {number} k
 * @returns {{ may: boolean, must: boolean }}
 */
export function amongBest(model, pool, at, k) {
  const own = /** @type {Passing} */ (pool[at]);
  let surelyAhead = 0;
  let perhapsAhead = 0;
  for (const other of pool) {
    if (other === own) continue;
    if (other.certainty === 'yes' && comesBefore(model, other.candidate, own.candidate)) surelyAhead += 1;
    if (!comesBefore(model, own.candidate, other.candidate)) perhapsAhead += 1;
  }
  return { may: surelyAhead < k, must: own.certainty === 'yes' && perhapsAhead < k };
}

/**
 * Checks the answer of a search, and that its warnings are right. Throws what is {@link Wrong} with it.
 *
 * @param {Model} model
 * @param {Candidate[]} candidates
 * @param {Selection} wanted
 * @param {Found[]} found
 * @param {string[]} warnings
 */
export function checkHits(model, candidates, wanted, found, warnings) {
  const pool = passing(model, candidates, wanted.rawThreshold);
  /** @param {Candidate} candidate */
  const relevant = ({ score, slack }) => {
    const value = relevanceOf(model, score);
    return { value, slack: rustMax(Math.abs(relevanceOf(model, score + slack) - value), NEAR) };
  };
  const hits = located(model, found, pool);
  const there = new Set(hits);
  /** @type {Certainty} */
  let outOfRange = 'no';
  pool.forEach(({ candidate }, at) => {
    const { may, must } = amongBest(model, pool, at, wanted.k);
    const id = write(model.entry(candidate.position).id);
    if (there.has(at) && !may) throw new Wrong(`${id} came back, though ${wanted.k} are better`);
    const { value, slack } = relevant(candidate);
    const kept =
      wanted.relevanceThreshold === null
        ? 'yes'
        : atLeast(value, Math.fround(wanted.relevanceThreshold), slack);
    if (there.has(at) && kept === 'no') throw new Wrong(`${id} came back, below the threshold`);
    if (must && kept === 'yes' && !there.has(at)) throw new Wrong(`${id} is missing`);
    if (wanted.byRelevance && may) {
      const outside = value < -slack || value > 1 + slack;
      const inside = slack <= value && value <= 1 - slack;
      if (outside && must) outOfRange = 'yes';
      else if (!inside && outOfRange === 'no') outOfRange = 'maybe';
    }
  });
  const certain = pool.filter(({ certainty }) => certainty === 'yes').length;
  const least = wanted.relevanceThreshold === null ? Math.min(certain, wanted.k) : 0;
  if (found.length < least || found.length > wanted.k) {
    throw new Wrong(`${found.length} documents came back, ${least} of at most ${wanted.k} should`);
  }
  const chosen = hits.map((at) => /** @type {Passing} */ (pool[at]).candidate);
  chosen.forEach((later, i) => {
    const earlier = chosen.slice(0, i).find((other) => comesBefore(model, later, other));
    if (!earlier) return;
    const [late, early] = [later, earlier].map(({ position }) => write(model.entry(position).id));
    throw new Wrong(`${late} came after ${early}, but belongs before it`);
  });
  chosen.forEach((candidate, i) => {
    const { value, slack } = wanted.byRelevance
      ? relevant(candidate)
      : { value: candidate.score, slack: candidate.slack };
    checkScore(/** @type {Found} */ (found[i]), value, slack);
  });
  checkWarnings(wanted, found, warnings, outOfRange);
}

/**
 * The larger of two numbers, and the number if one is none.
 *
 * @param {number} a
 * @param {number} b
 */
export function rustMax(a, b) {
  if (Number.isNaN(a)) return b;
  return Number.isNaN(b) ? a : Math.max(a, b);
}

/**
 * @param {Selection} wanted
 * @param {Found[]} found
 * @param {string[]} warnings
 * @param {Certainty} outOfRange
 */
function checkWarnings(wanted, found, warnings, outOfRange) {
  const name = 'relevance_out_of_range';
  const sure = wanted.relevanceThreshold !== null && found.length === 0 ? ['no_relevant_docs'] : [];
  if (outOfRange === 'yes' || (outOfRange === 'maybe' && warnings.includes(name))) sure.push(name);
  if (write(sure) !== write(warnings)) {
    throw new Wrong(`warnings ${write(warnings)} were given instead of ${write(sure)}`);
  }
}

/**
 * Where in the pool the documents found are; each must be there, once, unchanged.
 *
 * @param {Model} model
 * @param {Found[]} found
 * @param {Passing[]} pool
 */
export function located(model, found, pool) {
  /** @type {number[]} */
  const places = [];
  for (const hit of found) {
    checkDocument(model, hit);
    const place = pool.findIndex(({ candidate }) => model.entry(candidate.position).id === hit.id);
    if (place < 0) throw new Wrong(`${write(hit.id)} came back, but the filter or threshold drops it`);
    if (places.includes(place)) throw new Wrong(`${write(hit.id)} came back twice`);
    places.push(place);
  }
  return places;
}

/**
 * Checks that a document is as it was stored.
 *
 * @param {Model} model
 * @param {Found} found
 */
export function checkDocument(model, { id, text, metadata }) {
  const entry = model.find(id);
  if (!entry) throw new Wrong(`${write(id)} came back, which the store does not have`);
  if (text === entry.text && isSameData(metadata, entry.metadata)) return;
  const [came, stored] = [
    `${write(text)} ${write(metadata)}`,
    `${write(entry.text)} ${write(entry.metadata)}`,
  ];
  throw new Wrong(`${write(id)} came back as ${came}, stored was ${stored}`);
}

/**
 * Checks a score that came back, if one did.
 *
 * @param {Found} hit
 * @param {number} score
 * @param {number} slack
 */
export function checkScore(hit, score, slack) {
  if (hit.score === null || isSameScore(hit.score, score, slack)) return;
  throw new Wrong(`${write(hit.id)} has score ${hit.score}, by brute force ${score}`);
}
