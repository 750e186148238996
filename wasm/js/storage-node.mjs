// @ts-check
// Stores as files, as the native library's `save_local` writes them.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { VectorStoreError } from './error.mjs';
import { checkName, isPlain, pieces, shown } from './storage.mjs';

const EXTENSION = '.twindex';

const PIECE = 1 << 20;

/** A save that has not written for this long is dead. Process ids would not tell: another machine may write to the folder. */
const ABANDONED_MS = 60 * 60 * 1000;

/** Temporary files of this library and of the native one. */
const TEMPORARY = /^\..+\.twindex\.\d+-[0-9a-f]+\.tmp$/;

/** The latest save or removal of a file, for the next one to wait for. @type {Map<string, Promise<unknown>>} */
const latest = new Map();

/** @type {import('./storage.mjs').Storage} */
export const storage = {
  async save(name, chunks, { directory, signal } = {}) {
    const content = pieces(chunks, signal);
    const { folder, file } = place(directory, name);
    await inTurn(file, () => failing(`write ${file}`, () => replace(folder, file, content, signal)));
  },

  async load(name, { directory, signal }, read) {
    const { file } = place(directory, name);
    signal?.throwIfAborted();
    const handle = await failing(`read ${file}`, () => open(file));
    try {
      const { size } = await failing(`read ${file}`, () => handle.stat());
      return await read({ size, stream: () => streamOf(handle, file) });
    } finally {
      await handle.close();
    }
  },

  async list({ directory } = {}) {
    const folder = folderAt(directory);
    const entries = await failing(`read ${folder}`, () => readdir(folder, { withFileTypes: true }).catch(absent));
    const files = (entries ?? []).filter((entry) => entry.name.endsWith(EXTENSION) && !entry.isDirectory());
    return files.map((file) => file.name.slice(0, -EXTENSION.length)).filter(isPlain).sort();
  },

  async remove(name, { directory, signal } = {}) {
    const { folder, file } = place(directory, name);
    return inTurn(file, () =>
      failing(`remove ${file}`, async () => {
        signal?.throwIfAborted();
        const removed = await unlink(file).then(() => true, absent);
        if (removed) await sync(folder);
        return removed ?? false;
      }),
    );
  },
};

/**
 * @param {string} folder
 * @param {string} file
 * @param {Iterable<Uint8Array>} content
 * @param {AbortSignal | undefined} signal
 */
async function replace(folder, file, content, signal) {
  signal?.throwIfAborted();
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder);
  const unique = `${process.pid}-${randomBytes(6).toString('hex')}`;
  const temporary = path.join(folder, `.${path.basename(file)}.${unique}.tmp`);
  const handle = await open(temporary, 'wx');
  try {
    try {
      // A file that is replaced keeps its permissions.
      const old = await stat(file).catch(absent);
      if (old) await handle.chmod(old.mode & 0o7777);
      await writeFile(handle, content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal?.throwIfAborted();
    await rename(temporary, file);
  } catch (cause) {
    // A failure to clean up must not hide why the save failed.
    await rm(temporary, { force: true }).catch(() => {});
    throw cause;
  }
  // The rename itself is on disk once the folder is.
  await sync(folder);
}

/** @param {string} folder */
async function sync(folder) {
  // Windows can neither sync a folder nor needs it.
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Deletes what saves of processes that died have left. It only makes room: a failure is no failure of the save.
 *
 * @param {string} folder
 */
async function removeAbandoned(folder) {
  const files = await readdir(folder).catch(() => []);
  for (const file of files.filter((name) => TEMPORARY.test(name))) {
    const temporary = path.join(folder, file);
    const written = await stat(temporary).catch(() => undefined);
    if (written && written.mtimeMs < Date.now() - ABANDONED_MS) await unlink(temporary).catch(() => {});
  }
}

/**
 * @param {import('node:fs/promises').FileHandle} handle
 * @param {string} file
 * @returns {ReadableStream<Uint8Array<ArrayBuffer>>}
 */
function streamOf(handle, file) {
  let position = 0;
  return new ReadableStream({
    async pull(controller) {
      const piece = new Uint8Array(PIECE);
      const { bytesRead } = await failing(`read ${file}`, () => handle.read(piece, 0, PIECE, position));
      position += bytesRead;
      if (bytesRead > 0) controller.enqueue(piece.subarray(0, bytesRead));
      else controller.close();
    },
  });
}

/** @param {unknown} directory */
function folderAt(directory = '.') {
  if (typeof directory === 'string' && !directory.includes('\0')) return path.resolve(directory);
  throw new VectorStoreError(`a directory is a path, got ${shown(directory)}`, 'invalid_argument');
}

/**
 * @param {unknown} directory
 * @param {unknown} name
 */
function place(directory, name) {
  checkName(name);
  const folder = folderAt(directory);
  return { folder, file: path.join(folder, name + EXTENSION) };
}

/**
 * Runs the changes of one file in the order they were asked for.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} change
 * @returns {Promise<T>}
 */
async function inTurn(file, change) {
  const turn = (latest.get(file) ?? Promise.resolve()).then(change, change);
  latest.set(file, turn);
  try {
    return await turn;
  } finally {
    if (latest.get(file) === turn) latest.delete(file);
  }
}

/** @param {NodeJS.ErrnoException} cause */
function absent(cause) {
  if (cause.code !== 'ENOENT') throw cause;
  return undefined;
}

/**
 * Gives errors of the file system their code.
 *
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 */
async function failing(what, work) {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause && 'code' in cause)) throw cause;
    const code =
      cause.code === 'ENOENT'
        ? 'file_not_found'
        : cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
          ? 'quota_exceeded'
          : 'io_error';
    throw new VectorStoreError(`cannot ${what}: ${cause.message}`, code, { cause });
  }
}
