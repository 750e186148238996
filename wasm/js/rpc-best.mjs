// @ts-check
// Which documents of several slices a search takes, and in what order.
import { isPlainObject } from './glue-support.mjs';

/** @typedef {[import('./index.js').Document, number]} Hit */

/** How many documents a search gives unless told, and how many MMR chooses from, as in the core. */
const DEFAULT_K = 4;
const DEFAULT_FETCH_K = 20;

/** The search with scores, which say how hits of several slices go together, of each that gives fewer. */
export const SCORED = new Map([
  ['similaritySearch', 'similaritySearchWithScore'],
  ['similaritySearchByVector', 'similaritySearchVectorWithScore'],
]);

/**
 * The best of several lists: by score, equal scores in the order of the lists, NaN last, as in the core.
 *
 * @param {Hit[][]} lists
 * @param {any} given How many, or options that say it.
 * @param {boolean} lowerIsBetter
 */
export function best(lists, given, lowerIsBetter) {
  const k = Number((typeof given === 'object' ? given?.k : given) ?? DEFAULT_K);
  const key = (/** @type {Hit} */ [, score]) =>
    Number.isNaN(score) ? Infinity : lowerIsBetter ? score : -score;
  // Infinity less itself is no number, and would be no order.
  const compare = (/** @type {Hit} */ a, /** @type {Hit} */ b) =>
    key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
  return lists.flat().sort(compare).slice(0, k);
}

/**
 * Which documents a search chooses from.
 *
 * @param {string} method
 * @param {any[]} args
 * @param {any} retriever
 * @returns {import('./index.js').SearchOptions}
 */
export function wanted(method, args, retriever) {
  const last = args[method === 'search' ? 2 : 1];
  const own = Object.entries(typeof last === 'object' ? (last ?? {}) : { k: last });
  // Null takes away what a retriever was made with, undefined does not.
  const told = Object.fromEntries(own.filter(([, value]) => value !== undefined));
  const { k, fetchK, filter, recall, signal } = { ...retriever?.searchKwargs, ...told };
  const isMmr = method.startsWith('max') || (method === 'search' ? args[1] : retriever?.searchType) === 'mmr';
  return {
    k: isMmr ? (fetchK ?? DEFAULT_FETCH_K) : (k ?? DEFAULT_K),
    filter: filter ?? (method === 'similaritySearchWithRelevanceScores' ? args[2] : undefined),
    recall,
    signal,
  };
}

/**
 * The options of a search without their predicate, where they have one.
 *
 * @param {any} options
 */
export const unfiltered = (options) =>
  isPlainObject(options) && typeof options.filter === 'function' ? { ...options, filter: null } : options;
