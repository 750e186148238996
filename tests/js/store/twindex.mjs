// @ts-check
/**
 * The package under test in one thread, and what the tests of the store share.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { loadPackage } from '../lib/package.mjs';

/** @typedef {import('../../../wasm/js/index.js').VectorStore} Store */
/** @typedef {import('../../../wasm/js/index.js').Document} Document */
/** @typedef {[what: string, make: () => any]} Value Something to give to a call, made anew each time. */

export const twindex = await loadPackage(process.env.TWINDEX_PACKAGE);
export const { VectorStore, VectorStoreError, init, packageRoot, version } = twindex;

/** A project that has the package installed. */
const project = join(packageRoot, '..', '..');

/** How often a text has each of three letters. @param {string} text */
export const embed = (text) => ['a', 'b', 'c'].map((letter) => text.split(letter).length - 1);

/** @type {import('../../../wasm/js/index.js').Embeddings} */
export const embeddings = {
  embedDocuments: async (texts) => texts.map(embed),
  embedQuery: async (text) => embed(text),
};

/**
 * Three documents, `a`, `b` and `c`, a unit vector each. Typed so that a test can give it anything.
 *
 * @param {unknown} [embedder]
 * @param {unknown} [options]
 * @returns {Promise<any>}
 */
export function abc(embedder = embeddings, options) {
  const documents = ['a', 'b', 'c'].map((id) => ({ pageContent: id, id, metadata: { id } }));
  const vectors = documents.map(({ id }) => embed(id));
  return VectorStore.fromVectors(
    vectors,
    documents,
    /** @type {any} */ (embedder),
    /** @type {any} */ (options),
  );
}

/** @param {readonly Document[]} documents */
export const idsOf = (documents) => documents.map(({ id }) => id);

/**
 * @param {string} code
 * @param {RegExp} [message]
 * @param {{ cause?: unknown }} [more]
 */
export function isError(code, message = /./, more = {}) {
  return (/** @type {unknown} */ error) => {
    assert.ok(error instanceof VectorStoreError, `a VectorStoreError expected, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if ('cause' in more) assert.equal(error.cause, more.cause);
    return true;
  };
}

/**
 * That a call is refused, and has changed nothing.
 *
 * @param {any} store
 * @param {() => unknown} call
 * @param {(error: unknown) => boolean} check
 */
export async function refused(store, call, check) {
  const before = await store.serialize();
  const promise = call();
  assert.ok(promise instanceof Promise, `a promise expected, got ${String(promise)}`);
  await assert.rejects(promise, check);
  assert.deepEqual(await store.serialize(), before);
}

/**
 * That a promise rejects with one very value.
 *
 * @param {Promise<unknown>} promise
 * @param {unknown} reason
 */
export async function rejectsWith(promise, reason) {
  const answer = await promise.then(
    () => assert.fail('it did not reject'),
    (error) => error,
  );
  assert.ok(Object.is(answer, reason), `${String(reason)} itself expected, got ${String(answer)}`);
}

/** A promise that is settled from outside. */
export function deferred() {
  /** @type {(value?: any) => void} */
  let resolve = () => {};
  /** @type {(reason?: unknown) => void} */
  let reject = () => {};
  const promise = new Promise((settle, fail) => ([resolve, reject] = [settle, fail]));
  return { promise, resolve, reject };
}

/** Lets everything that can go on go on. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Gives the memory of an array away, and the array back.
 *
 * @template {ArrayBufferView | ArrayBuffer} T
 * @param {T} value
 * @returns {T}
 */
export function detached(value) {
  const buffer = value instanceof ArrayBuffer ? value : value.buffer;
  structuredClone(buffer, { transfer: [/** @type {ArrayBuffer} */ (buffer)] });
  return value;
}

/** What a test's own code throws. */
export class Thrown extends Error {}

/**
 * A proxy, one of whose traps throws.
 *
 * @param {object} target
 * @param {keyof ProxyHandler<object>} trap
 * @param {unknown} [thrown]
 */
export const trapped = (target, trap, thrown = new Thrown(trap)) =>
  new Proxy(target, {
    [trap]() {
      throw thrown;
    },
  });

/** @param {object} target */
export function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/**
 * A property that throws when it is read.
 *
 * @param {any} object
 * @param {PropertyKey} key
 * @param {unknown} [thrown]
 */
export const unreadable = (object, key, thrown = new Thrown(String(key))) =>
  Object.defineProperty(object, key, {
    enumerable: true,
    get() {
      throw thrown;
    },
  });

/** @param {number} length @param {any[]} items */
export const holes = (length, ...items) => Object.assign([], { length }, items);

/**
 * Runs a program of this folder in a process of its own, with the package installed.
 *
 * @param {string} file
 * @param {string[]} args the program's
 * @param {string[]} [flags] Node's
 */
export function run(file, args = [], flags = []) {
  const program = fileURLToPath(new URL(file, import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...flags, program, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TWINDEX_PACKAGE: join(project, 'node_modules', 'twindex') },
  });
  return { status, signal, stderr, lines: stdout.trim().split('\n') };
}
