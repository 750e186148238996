// @ts-check
// The second module, with what only it can do: other people's files, and indexes that are not flat. Loaded when one of these is met.

import { VectorStoreError } from './error.mjs';
import { describe, guarded, wrong } from './glue-support.mjs';
import { VectorStore, readFiles, writeFiles } from './interop-glue.mjs';

export { VectorStore };
export { startModule, version } from './interop-glue.mjs';
export { guarded, isBroken } from './glue-support.mjs';

/** @typedef {import('./index.js').ImportReport} ImportReport */

/**
 * Names and contents of files: a list or another iterable of `File`s, or an object with a file, bytes or a response under each name.
 *
 * @param {unknown} files
 * @param {(source: any) => Promise<ArrayBuffer>} read
 * @returns {Promise<{ names: string[], contents: Uint8Array[] }>}
 */
async function gather(files, read) {
  if (typeof files !== 'object' || files === null) throw expected(files);
  /** @type {[string, unknown][]} */
  let entries;
  try {
    entries =
      Symbol.iterator in files
        ? Array.from(/** @type {Iterable<any>} */ (files), (file) => [file.webkitRelativePath || file.name, file])
        : Object.entries(files);
  } catch (cause) {
    throw new VectorStoreError(`files cannot be read: ${describe(cause)}`, 'invalid_argument', { cause });
  }
  for (const [name] of entries) if (typeof name !== 'string') throw expected(files);
  const contents = await Promise.all(
    entries.map(async ([name, content]) => {
      if (content instanceof Uint8Array) return content;
      if (content instanceof ArrayBuffer) return new Uint8Array(content);
      if (typeof (/** @type {any} */ (content)?.arrayBuffer) !== 'function') {
        throw wrong(`files[${JSON.stringify(name)}]`, 'a File, Blob, Response, Uint8Array or ArrayBuffer', content);
      }
      return new Uint8Array(await read(content));
    }),
  );
  return { names: entries.map(([name]) => name), contents };
}

/** @param {unknown} files */
const expected = (files) => wrong('files', 'a list of Files, or an object of file contents by name', files);

/**
 * @param {string} option
 * @param {string} type
 * @param {unknown} value
 */
function typed(option, type, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value === type) return /** @type {any} */ (value);
  throw new VectorStoreError(`option ${option}: expected a ${type}, got ${describe(value)}`, 'invalid_option');
}

/**
 * Reads files: the bytes of a store, its kind of index, and what was found.
 *
 * @param {unknown} files
 * @param {{ distanceStrategy?: unknown, normalizeL2?: unknown, indexName?: unknown }} options
 * @param {(source: any) => Promise<ArrayBuffer>} read
 */
export async function open(files, { distanceStrategy, normalizeL2, indexName }, read) {
  const strategy = typed('distanceStrategy', 'string', distanceStrategy);
  const normalize = typed('normalizeL2', 'boolean', normalizeL2);
  const index = typed('indexName', 'string', indexName);
  const { names, contents } = await gather(files, read);
  const [bytes, kind, report] = /** @type {[Uint8Array, string, any]} */ (
    await guarded(() => readFiles(names, contents, strategy, normalize, index))
  );
  return { bytes, kind, report: reportOf(report) };
}

/**
 * Writes the bytes of a store in another form.
 *
 * @param {Uint8Array} bytes
 * @param {{ format?: unknown, indexName?: unknown }} options
 */
export async function write(bytes, { format, indexName }) {
  const form = typed('format', 'string', format) ?? 'langchain';
  const name = typed('indexName', 'string', indexName) ?? 'index';
  const [report, ...rest] = /** @type {[any, ...any[]]} */ (await guarded(() => writeFiles(bytes, form, name)));
  /** @type {Record<string, Uint8Array<ArrayBuffer>>} */
  const files = {};
  for (let i = 0; i < rest.length; i += 2) files[rest[i]] = rest[i + 1];
  return { files, report: reportOf(report) };
}

/**
 * Sets a search parameter of a store, of this module or the first, whose indexes have none.
 *
 * @param {import('./glue.mjs').VectorStore} inner
 * @param {unknown} name
 * @param {unknown} value
 */
export async function setParameter(inner, name, value) {
  if (typeof name !== 'string') throw wrong('name', 'a string', name);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw wrong('value', 'a whole number', value);
  }
  if (inner instanceof VectorStore) return guarded(() => inner.setSearchParameter(name, value));
  const message = `an index of kind "Flat" cannot take this search parameter: it has no ${JSON.stringify(name)}`;
  throw new VectorStoreError(message, 'unsupported_by_index');
}

/**
 * The documents and vectors of a store in another module, as a flat store of this one.
 *
 * @param {import('./store.mjs').Module} module
 * @param {import('./store.mjs').VectorStore} other
 */
export async function copied(module, other) {
  const { distanceStrategy, normalizeL2, dim } = /** @type {import('./index.js').StoreInfo} */ (await other.info());
  const copy = new module.VectorStore(null, { distanceStrategy, normalizeL2, dim });
  try {
    const [documents, vectors] = [await other.getByIds(await other.ids()), await other.getVectors()];
    await module.guarded(() => copy.addVectors(vectors, documents, { dim }));
    return copy;
  } catch (error) {
    if (!module.isBroken()) copy.free();
    throw error;
  }
}

/**
 * @param {Omit<ImportReport, 'converted'> & { converted: [string, number][] }} report
 * @returns {ImportReport}
 */
const reportOf = ({ converted, ...report }) => ({ ...report, converted: Object.fromEntries(converted) });
