// @ts-check
// What goes wrong with a model, as errors with codes.

import { VectorStoreError } from './error.mjs';
import { describe } from './glue-support.mjs';

/** @type {string | undefined} */
let said;

/**
 * Called by the module's panic hook, just before it traps.
 *
 * @param {string} message
 */
export function panicked(message) {
  said ??= message;
}

/**
 * Called by the module: what it found wrong.
 *
 * @param {string} message
 * @param {string} code
 */
export const fault = (message, code) => new VectorStoreError(message, code);

/**
 * A file that is missing, or cannot be read.
 *
 * @param {string} name
 * @param {string} what
 * @param {unknown} [cause]
 */
export function unreadable(name, what, cause) {
  const why = cause === undefined ? '' : `: ${describe(cause)}`;
  return new VectorStoreError(`${name} of the model ${what}${why}`, 'embeddings_model_file', { cause });
}

/**
 * Whether a failure of a model ended the module.
 *
 * @param {unknown} failure
 */
export const endsModule = (failure) => failure instanceof VectorStoreError && failure.cause instanceof WebAssembly.RuntimeError;

/**
 * What the module threw, as callers get it. A trap ends the module: what a panic said is told; without one, memory
 * ran out.
 *
 * @param {unknown} thrown
 */
export function modelFailure(thrown) {
  if (thrown instanceof WebAssembly.RuntimeError) {
    if (said === undefined) {
      return new VectorStoreError(`no memory for the model: ${thrown.message}`, 'out_of_memory', { cause: thrown });
    }
    return new VectorStoreError(`the model cannot be used: ${said}`, 'embeddings_model', { cause: thrown });
  }
  if (thrown instanceof VectorStoreError && thrown.code.startsWith('embed_')) {
    return new VectorStoreError(`the model cannot be used: ${thrown.message}`, 'embeddings_model', { cause: thrown });
  }
  return thrown;
}
