// @ts-check
/**
 * The package under test, both of its entries in one thread, and what the tests of `twindex/worker` share.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { loadPackage } from '../lib/package.mjs';

/** @typedef {typeof import('../../../wasm/js/index.js')} Main */
/** @typedef {typeof import('../../../wasm/js/worker.js')} InWorker */
/** @typedef {import('../../../wasm/js/index.js').Document} Document */

const { packageRoot } = await loadPackage(process.env.TWINDEX_PACKAGE);

/** A project that has the package installed. */
export const project = join(packageRoot, '..', '..');

const { load } = await import(pathToFileURL(join(project, 'import.mjs')).href);

/** @type {Main} */
export const main = await load('twindex');

/** @type {InWorker} */
export const worker = await load('twindex/worker');

/** @param {string} file */
export const distOf = (file) => join(packageRoot, 'dist', file);

/** How often a text has each of three letters. @param {string} text */
export const embed = (text) => ['o', 's', 'f'].map((letter) => text.split(letter).length - 1);

/** @type {import('../../../wasm/js/index.js').Embeddings} */
export const embeddings = {
  embedDocuments: async (texts) => texts.map(embed),
  embedQuery: async (text) => embed(text),
};

/**
 * Documents with ids and numbers, and vectors of two numbers, whose nearest to [0, 0] are the first.
 *
 * @param {number} count
 * @param {number} [first]
 */
export function numbered(count, first = 0) {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  return {
    vectors: Float32Array.from(numbers.flatMap((number) => [number, 1])),
    documents: numbers.map((number) => ({
      pageContent: `text ${number}`,
      id: `d${number}`,
      metadata: { number },
    })),
  };
}

/**
 * A store of {@link numbered} documents.
 *
 * @template {Main | InWorker} T
 * @param {T} twindex
 * @param {number} count
 * @param {import('../../../wasm/js/index.js').StoreOptions & import('../../../wasm/js/worker.js').WorkersOptions} [options]
 * @returns {Promise<Awaited<ReturnType<T['VectorStore']['create']>>>}
 */
export async function storeOf({ VectorStore }, count, options) {
  const { vectors, documents } = numbered(count);
  const byNumber = { embedDocuments: async () => [], embedQuery: async () => [0, 1] };
  return /** @type {any} */ (
    await VectorStore.fromVectors(vectors, documents, byNumber, { dim: 2, ...options })
  );
}

/** @param {readonly Document[]} documents */
export const idsOf = (documents) => documents.map(({ id }) => id);

/** @param {readonly [Document, number][]} hits */
export const scoresOf = (hits) => hits.map(([{ id }, score]) => [id, score]);

/**
 * @param {string} code
 * @param {{ message?: RegExp, cause?: unknown }} [more]
 */
export function isError(code, { message = /./, ...more } = {}) {
  return (/** @type {unknown} */ error) => {
    assert.ok(error instanceof worker.VectorStoreError, `a VectorStoreError expected, got ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if ('cause' in more) assert.equal(error.cause, more.cause);
    return true;
  };
}

/**
 * That a promise rejects with one very object.
 *
 * @param {Promise<unknown>} promise
 * @param {unknown} reason
 */
export async function rejectsWith(promise, reason) {
  await assert.rejects(promise, (error) => {
    assert.ok(Object.is(error, reason), `${String(reason)} itself expected, got ${String(error)}`);
    return true;
  });
}

/**
 * What a promise rejects with.
 *
 * @param {Promise<unknown>} promise
 * @returns {Promise<any>}
 */
export const errorOf = (promise) =>
  promise.then(
    () => assert.fail('it did not reject'),
    (error) => error,
  );

/** A promise that is settled from outside. */
export function deferred() {
  /** @type {(value?: any) => void} */
  let resolve = () => {};
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
