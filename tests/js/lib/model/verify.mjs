// @ts-check
/** Compares what a store answered with what the model says, and moves the model along. */

import { answerOf, toJson } from '../answer.mjs';
import { isSameData, isUuid4 } from '../compare.mjs';
import { compareTexts, write } from '../json.mjs';
import { strategyOf } from '../judge.mjs';
import { tableOf } from '../oracle.mjs';
import { documentsOf, dropBlankIds } from '../request.mjs';
import { faultsOfFilter } from './filter.mjs';
import { checkChoice } from './mmr.mjs';
import { isSameVector, metricOf, Model, relevanceOf } from './model.mjs';
import { candidatesOf, checkDocument, checkHits, isSameScore, isTie, Wrong } from './search.mjs';
import { Notes } from './values.mjs';

/** @typedef {import('../answer.mjs').Outcome} Outcome */
/** @typedef {import('../request.mjs').NewDoc} NewDoc */
/** @typedef {import('../request.mjs').SearchRequest} SearchRequest */
/** @typedef {import('./search.mjs').Candidate} Candidate */

const DEFAULT_K = 4;
const DEFAULT_FETCH_K = 20;
const DEFAULT_LAMBDA_MULT = 0.5;

/**
 * What a setup should come to: the store before anything is in it (null if there is no such store), what goes
 * in, and the codes it may fail with.
 *
 * @typedef {{ empty: Model | null, docs: NewDoc[], faults: string[] }} Plan
 */

/**
 * The plan of a setup. Throws if the setup names a function that does not exist.
 *
 * @param {import('../oracle.mjs').Setup} setup
 * @returns {Plan}
 */
export function planOf(setup) {
  const isEmpty = setup.kind === 'empty';
  const given = isEmpty
    ? []
    : setup.docs.map(({ id, text, metadata, vector }) => ({
        id,
        text,
        metadata: metadata ?? {},
        vector: setup.kind === 'from_embeddings' ? vector : null,
      }));
  const docs = setup.kind === 'from_documents' ? dropBlankIds(given) : given;
  const metric = metricOf(strategyOf(setup).strategy);
  if (!metric) return { empty: null, docs, faults: ['unknown_distance_strategy'] };
  const empty = new Model(metric, setup.normalizeL2, isEmpty ? setup.dim : null);
  empty.relevance = setup.relevanceScoreFn === null ? null : relevanceOf(setup.relevanceScoreFn);
  empty.table = tableOf(setup);
  return { empty, docs, faults: empty.faultsOfAdd(docs, empty.vectorsOf(docs)) };
}

/**
 * The model of a store that was built, given the ids it reports. Throws what is {@link Wrong} with the ids.
 *
 * @param {Plan} plan
 * @param {string[]} ids
 */
export function builtModel({ empty, docs }, ids) {
  if (!empty) throw new Wrong('there should be no such store');
  checkIds(empty, docs, ids);
  empty.add(docs, empty.vectorsOf(docs), ids);
  return empty;
}

/**
 * Checks that an operation failed with one of these codes.
 *
 * @param {string[]} faults
 * @param {Outcome} outcome
 */
export function mustFail(faults, outcome) {
  if ('failure' in outcome && faults.includes(outcome.failure.code)) return;
  throw new Wrong(`by the table error ${faults.join(' or ')}, actual ${write(toJson(outcome))}`);
}

/**
 * An answer of this type, which there must be.
 *
 * @template {import('../answer.mjs').Answer['type']} T
 * @param {Outcome} outcome
 * @param {T} type
 */
function mustSucceed(outcome, type) {
  const answer = answerOf(outcome, type);
  if (!answer) throw new Wrong(`by the table it succeeds, actual ${write(toJson(outcome))}`);
  return answer;
}

/**
 * Checks ids that an add returned: those given, and for the others a fresh uuid each.
 *
 * @param {Model} model
 * @param {NewDoc[]} docs
 * @param {string[]} ids
 */
function checkIds(model, docs, ids) {
  if (ids.length !== docs.length) throw new Wrong(`${ids.length} ids came back for ${docs.length} documents`);
  if (new Set(ids).size < ids.length) throw new Wrong(`an id came back twice: ${write(ids)}`);
  docs.forEach(({ id: given }, i) => {
    const id = ids[i] ?? '';
    if (given !== null) {
      if (given !== id) throw new Wrong(`id ${write(id)} came back for ${write(given)}`);
      return;
    }
    if (!isUuid4(id)) throw new Wrong(`${write(id)} is no version 4 uuid`);
    if (model.find(id)) throw new Wrong(`${write(id)} was made twice`);
  });
}

/**
 * Checks what came of an operation on a store, and changes the model as the store should have changed; a
 * merge is {@link verifyMerge}. Throws what is {@link Wrong}.
 *
 * @param {Model} model
 * @param {import('../request.mjs').Request} request
 * @param {Outcome} outcome
 * @param {string[]} warnings
 * @returns {Notes}
 */
export function verify(model, request, outcome, warnings) {
  if (request.type === 'search') return verifySearch(model, request, outcome, warnings);
  if (warnings.length > 0) throw new Wrong(`warnings ${write(warnings)} were given`);
  switch (request.type) {
    case 'add':
      verifyAdd(model, request, outcome);
      break;
    case 'delete':
      verifyChange(model.faultsOfDelete(request.ids), outcome, 'true', () => model.delete(request.ids ?? []));
      break;
    case 'get_by_ids': {
      const { docs } = mustSucceed(outcome, 'docs');
      const [wanted, came] = [request.ids.filter((id) => model.find(id)), docs.map((doc) => doc.id)];
      if (!isSameData(wanted, came)) throw new Wrong(`by the table ${write(wanted)}, actual ${write(came)}`);
      docs.forEach((doc) => checkDocument(model, doc));
      break;
    }
    case 'load':
      verifyChange(faultsOfLoad(model, request), outcome, 'done', () => {
        model.relevance = null;
      });
      break;
    case 'state':
      checkState(model, outcome);
      break;
    case 'vectors':
      checkVectors(model, mustSucceed(outcome, 'vectors').vectors);
      break;
    default:
      throw new Wrong(`${request.type} is no operation on one store`);
  }
  return new Notes();
}

/**
 * Checks that a change failed with one of the faults, or that it went through, which the model then does too.
 *
 * @param {string[]} faults
 * @param {Outcome} outcome
 * @param {'true' | 'done'} type
 * @param {() => void} change
 */
function verifyChange(faults, outcome, type, change) {
  if (faults.length > 0) return mustFail(faults, outcome);
  mustSucceed(outcome, type);
  change();
}

/**
 * @param {Model} model
 * @param {import('../request.mjs').AddRequest} request
 * @param {Outcome} outcome
 */
function verifyAdd(model, request, outcome) {
  const docs = documentsOf(request);
  if (typeof docs === 'string') return mustFail([docs], outcome);
  const vectors = model.vectorsOf(docs);
  const faults = model.faultsOfAdd(docs, vectors);
  if (faults.length > 0) return mustFail(faults, outcome);
  const { ids } = mustSucceed(outcome, 'ids');
  checkIds(model, docs, ids);
  model.add(docs, vectors, ids);
}

/**
 * Checks what came of merging another store, null for this one itself, and takes its documents in.
 *
 * @param {Model} model
 * @param {Model | null} other
 * @param {Outcome} outcome
 */
export function verifyMerge(model, other, outcome) {
  verifyChange(model.faultsOfMerge(other), outcome, 'done', () => {
    if (other) model.merge(other);
  });
}

/**
 * @param {Model} model
 * @param {import('../request.mjs').LoadRequest} request
 */
function faultsOfLoad(model, { names, distanceStrategy, normalizeL2 }) {
  const faults = [];
  if (names && names.save !== names.load) faults.push('file_not_found');
  const metric = distanceStrategy === null ? model.metric : metricOf(distanceStrategy);
  if (metric === null) faults.push('unknown_distance_strategy');
  else if (metric !== model.metric) faults.push('setting_mismatch');
  if (normalizeL2 !== null && normalizeL2 !== model.normalize) faults.push('setting_mismatch');
  return faults;
}

/**
 * @param {Model} model
 * @param {Outcome} outcome
 */
function checkState(model, outcome) {
  const { state } = mustSucceed(outcome, 'state');
  const ids = model.entries.map((entry) => entry.id);
  const docstoreIds = [...ids].sort(compareTexts);
  if (!isSameData(state, { ntotal: ids.length, dim: model.dim, ids, docstoreIds })) {
    throw new Wrong(`by the table dim ${model.dim} and ids ${write(ids)}, actual ${write(toJson(outcome))}`);
  }
}

/**
 * @param {Model} model
 * @param {Float32Array[]} vectors
 */
function checkVectors(model, vectors) {
  if (vectors.length !== model.entries.length) {
    throw new Wrong(`${vectors.length} vectors, ${model.entries.length} documents`);
  }
  model.entries.forEach(({ id, raw, vector }, i) => {
    const actual = vectors[i] ?? new Float32Array();
    const isSame = model.normalize
      ? actual.length === vector.length && actual.every((x, j) => isSameScore(x, vector[j] ?? NaN, 0))
      : isSameVector(actual, raw);
    if (!isSame) {
      throw new Wrong(`the vector of ${write(id)} is ${write([...actual])}, given was ${write([...raw])}`);
    }
  });
}

/**
 * @param {Model} model
 * @param {SearchRequest} search
 * @param {Outcome} outcome
 * @param {string[]} warnings
 */
function verifySearch(model, search, outcome, warnings) {
  const notes = new Notes();
  const { k, fetchK, lambdaMult, scoreThreshold: threshold, filter } = search.effective;
  const choice = {
    k: k ?? DEFAULT_K,
    fetchK: fetchK ?? DEFAULT_FETCH_K,
    lambdaMult: lambdaMult ?? DEFAULT_LAMBDA_MULT,
    threshold,
  };
  const query = 'text' in search.query ? model.lookUp(search.query.text) : search.query.vector;
  const faults = filter === null ? [] : faultsOfFilter(filter);
  if (search.kind === null) {
    mustFail([...faults, search.refusal ?? ''], outcome);
    return notes;
  }
  if (choice.k <= 0 || (search.kind === 'mmr' && choice.fetchK <= 0)) faults.push('k_not_positive');
  faults.push(...model.faultsOfQuery(query));
  const candidates = faults.length === 0 ? candidatesOf(model, query, filter, notes) : [];
  if (!candidates) faults.push('callable_filter_raised');
  if (!candidates || faults.length > 0) {
    mustFail(faults, outcome);
    return notes;
  }
  noteTiedProducts(model, candidates, notes);
  const { docs } = mustSucceed(outcome, 'docs');
  if (docs.some((doc) => (doc.score !== null) !== search.scored)) {
    throw new Wrong('scores came back where there should be none, or none where there should be some');
  }
  try {
    checkSearch(model, search.kind, query, candidates, choice, docs, warnings);
  } catch (error) {
    throw error instanceof Wrong ? new Wrong(explain(model, error.message, candidates, docs)) : error;
  }
  return notes;
}

/**
 * @param {Model} model
 * @param {import('../request.mjs').SearchKind} kind
 * @param {Float32Array} query
 * @param {Candidate[]} candidates
 * @param {import('./mmr.mjs').Choice} choice
 * @param {import('../answer.mjs').Found[]} docs
 * @param {string[]} warnings
 */
function checkSearch(model, kind, query, candidates, choice, docs, warnings) {
  if (kind === 'mmr') {
    if (warnings.length > 0) throw new Wrong(`warnings ${write(warnings)} were given`);
    return checkChoice(model, query, candidates, choice, docs);
  }
  const byRelevance = kind === 'relevance';
  const { k, threshold } = choice;
  const thresholds = byRelevance
    ? { rawThreshold: null, relevanceThreshold: threshold }
    : { rawThreshold: threshold, relevanceThreshold: null };
  checkHits(model, candidates, { k, ...thresholds, byRelevance }, docs, warnings);
}

/**
 * Takes note of products that are equal although the vectors are not: LangChain's pool takes the later ones.
 *
 * @param {Model} model
 * @param {Candidate[]} candidates
 * @param {Notes} notes
 */
function noteTiedProducts(model, candidates, notes) {
  if (model.metric !== 'inner_product') return;
  notes.tiedProducts = candidates.some((a, i) => candidates.slice(0, i).some((b) => isTie(model, a, b)));
}

/**
 * A sentence with what came and what brute force finds, best first.
 *
 * @param {Model} model
 * @param {string} wrong
 * @param {Candidate[]} candidates
 * @param {import('../answer.mjs').Found[]} found
 */
function explain(model, wrong, candidates, found) {
  const best = [...candidates]
    .sort((a, b) => (model.metric === 'l2' ? a.score - b.score : b.score - a.score))
    .slice(0, found.length + 2)
    .map(({ position, score }) => [model.entry(position).id, score]);
  const came = found.map(({ id, score }) => [id, score]);
  return `${wrong}; by brute force ${write(best)}, actual ${write(came)}`;
}
