// @ts-check
/** Maximal marginal relevance, checked choice by choice. */

import { write } from '../json.mjs';
import { dot, isSameVector, length } from './model.mjs';
import { amongBest, checkScore, comesBefore, located, passing, Wrong } from './search.mjs';

/** @typedef {import('../answer.mjs').Found} Found */
/** @typedef {import('./search.mjs').Passing} Passing */

/**
 * What MMR is asked for.
 *
 * @typedef {object} Choice
 * @property {number} k how many at most
 * @property {number} fetchK how many candidates
 * @property {number} lambdaMult the balance
 * @property {number | null} threshold on raw scores, which drops candidates
 */

/** Room between the values of two choices. */
const NEAR = 2e-6;

/**
 * @param {Float64Array} a
 * @param {Float64Array} b
 */
function cosine(a, b) {
  const value = dot(a, b) / (length(a) * length(b));
  return Number.isFinite(value) ? value : 0;
}

/**
 * Checks that each document found was the best choice when its turn came. Throws what is {@link Wrong}.
 *
 * @param {import('./model.mjs').Model} model
 * @param {Float32Array} asked
 * @param {import('./search.mjs').Candidate[]} candidates
 * @param {Choice} wanted
 * @param {Found[]} found
 */
export function checkChoice(model, asked, candidates, wanted, found) {
  const query = model.prepare(asked);
  const pool = bestOf(model, passing(model, candidates, wanted.threshold), wanted.fetchK);
  const certain = pool.filter(({ certainty }) => certainty === 'yes').length;
  const most = Math.min(pool.length, wanted.fetchK, wanted.k);
  if (found.length < Math.min(certain, wanted.k) || found.length > most) {
    throw new Wrong(`${found.length} documents came back, ${most} should`);
  }
  const chosen = located(model, found, pool);
  /** @param {number} at */
  const candidateAt = (at) => /** @type {Passing} */ (pool[at]).candidate;
  /** @param {number} at */
  const entryAt = (at) => model.entry(candidateAt(at).position);
  const room = NEAR * (1 + Math.abs(wanted.lambdaMult) + Math.abs(1 - wanted.lambdaMult));
  chosen.forEach((pick, turn) => {
    /** @param {number} at */
    const valueOf = (at) => {
      const { vector } = entryAt(at);
      const toQuery = cosine(query, vector);
      if (turn === 0) return toQuery;
      const redundancy = Math.max(
        ...chosen.slice(0, turn).map((other) => cosine(vector, entryAt(other).vector)),
      );
      return wanted.lambdaMult * toQuery - (1 - wanted.lambdaMult) * redundancy;
    };
    const own = valueOf(pick);
    const taken = entryAt(pick);
    pool.forEach(({ candidate, certainty }, at) => {
      if (certainty === 'maybe' || chosen.slice(0, turn + 1).includes(at)) return;
      const entry = entryAt(at);
      const isFirstOfEquals =
        isSameVector(entry.raw, taken.raw) && comesBefore(model, candidate, candidateAt(pick));
      if (valueOf(at) > own + room || isFirstOfEquals) {
        throw new Wrong(`choice ${turn} was ${write(taken.id)}, though ${write(entry.id)} is better`);
      }
    });
  });
  chosen.forEach((at, i) =>
    checkScore(/** @type {Found} */ (found[i]), candidateAt(at).score, candidateAt(at).slack),
  );
}

/**
 * The candidates that are among the best, for sure or perhaps.
 *
 * @param {import('./model.mjs').Model} model
 * @param {Passing[]} candidates
 * @param {number} fetchK
 * @returns {Passing[]}
 */
function bestOf(model, candidates, fetchK) {
  /** @type {Passing[]} */
  const best = [];
  candidates.forEach(({ candidate }, at) => {
    const { may, must } = amongBest(model, candidates, at, fetchK);
    if (may || must) best.push({ candidate, certainty: must ? 'yes' : 'maybe' });
  });
  return best;
}
