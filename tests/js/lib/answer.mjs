// @ts-check
/** What a store answered, in one shape for Twindex, the model and the case files. */

/** @typedef {import('./json.mjs').Json} Json */

/**
 * A document that came back.
 *
 * @typedef {object} Found
 * @property {string} id
 * @property {string} text
 * @property {Json} metadata a map
 * @property {number | null} score null where the operation gives none
 */

/**
 * What a store holds, vectors apart.
 *
 * @typedef {object} State
 * @property {number} ntotal how many vectors
 * @property {number | null} dim numbers per vector, once known
 * @property {string[]} ids the ids by position
 * @property {string[]} docstoreIds the ids of the documents, sorted
 */

/**
 * A successful answer: nothing to report, a delete that went through, ids of what was added, documents with
 * scores or without, the state, or all vectors by position.
 *
 * @typedef {{ type: 'done' } | { type: 'true' } | { type: 'ids', ids: string[] }
 *   | { type: 'docs', docs: Found[] } | { type: 'state', state: State }
 *   | { type: 'vectors', vectors: Float32Array[] }} Answer
 */

/** @typedef {{ code: string, message: string }} Failure an error */
/** @typedef {{ answer: Answer } | { failure: Failure }} Outcome what came of an operation */

/**
 * The code that an operation failed with, null if it did not.
 *
 * @param {Outcome} outcome
 */
export function codeOf(outcome) {
  return 'failure' in outcome ? outcome.failure.code : null;
}

/**
 * The answer of an operation, if it succeeded with one of this type.
 *
 * @template {Answer['type']} T
 * @param {Outcome} outcome
 * @param {T} type
 * @returns {Extract<Answer, { type: T }> | null}
 */
export function answerOf(outcome, type) {
  const answer = 'answer' in outcome && outcome.answer.type === type ? outcome.answer : null;
  return /** @type {Extract<Answer, { type: T }> | null} */ (answer);
}

/**
 * An outcome as the case files would write it, for messages.
 *
 * @param {Outcome} outcome
 */
export function toJson(outcome) {
  if ('failure' in outcome) {
    const { code, message } = outcome.failure;
    return { error: { kind: code, message } };
  }
  const { answer } = outcome;
  switch (answer.type) {
    case 'done':
      return { ok: null };
    case 'true':
      return { ok: true };
    case 'ids':
      return { ok: answer.ids };
    case 'docs':
      return { ok: answer.docs.map(({ id, score }) => (score === null ? id : [id, score])) };
    case 'vectors':
      return { ok: answer.vectors.map((vector) => [...vector]) };
    case 'state': {
      const { ntotal, dim, ids, docstoreIds } = answer.state;
      return { ok: { ntotal, dim, index_to_docstore_id: [...ids.entries()], docstore_ids: docstoreIds } };
    }
  }
}
