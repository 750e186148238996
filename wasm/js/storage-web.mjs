// @ts-check
// Stores in the origin's private file system (OPFS), or in IndexedDB where that cannot be written: on pages without TLS, in private windows
// of Firefox, in old Safari. Tabs and workers of an origin agree on which, but a newer browser may not agree with an older one, so both are
// looked into; a file comes before an entry of the database.
import { VectorStoreError } from './error.mjs';
import { checkName, isPlain, pieces, shown } from './storage.mjs';

/** @type {Record<string, string>} */
const CODES = {
  QuotaExceededError: 'quota_exceeded',
  SecurityError: 'storage_unavailable',
  InvalidStateError: 'storage_unavailable',
};

/** The files of one store are numbered: a save writes the next one, and deletes the others when it is whole. */
const FILE = /^(.+)\.(\d+)\.twindex(.*\.crswap)?$/s;

/** @type {import('./storage.mjs').Storage} */
export const storage = {
  async save(name, chunks, { directory, signal } = {}) {
    const content = pieces(chunks, signal);
    await locked('exclusive', 'save', directory, name, signal, async (key) => {
      const folder = await openFolder(key[0], true);
      if (folder) {
        await writeNext(folder, name, content);
        // An older entry that stays is hidden by the file.
        await transact('readwrite', (entries) => entries.delete(key)).catch(() => {});
      } else {
        await transact('readwrite', (entries) => entries.put(new Blob([...content]), key), true, signal);
      }
    });
  },

  load(name, { directory, signal }, read) {
    return locked('shared', 'load', directory, name, signal, async (key) => {
      const files = await filesIn(await openFolder(key[0]));
      const file = await newest(files.get(name));
      const saved = file?.content ?? (await transact('readonly', (entries) => entries.get(key)));
      if (saved) return read(saved);
      throw new VectorStoreError(`there is no store ${shown(name)} in ${shown(key[0])}`, 'file_not_found');
    });
  },

  list({ directory } = {}) {
    return failing('list the stores', undefined, async () => {
      const place = folderName(directory);
      const keys = await transact('readonly', (entries) => entries.getAllKeys(IDBKeyRange.bound([place], [place, []])));
      const names = new Set(keys?.map((key) => /** @type {[string, string]} */ (key)[1]));
      for (const name of await namesIn(await openFolder(place))) names.add(name);
      return [...names].sort();
    });
  },

  remove(name, { directory, signal } = {}) {
    return locked('exclusive', 'remove', directory, name, signal, async (key) => {
      // The oldest first, and the entry before: were it left, an old store would come back.
      const entry = await transact('readwrite', (entries) => {
        const count = entries.count(key);
        entries.delete(key);
        return count;
      });
      const folder = await openFolder(key[0]);
      const files = (await filesIn(folder)).get(name) ?? [];
      const file = await newest(files);
      for (const old of files.reverse()) await folder?.removeEntry(old.file);
      return Boolean(entry || file);
    });
  },
};

/**
 * Does something with a name while no other tab or worker changes it. Pages without TLS have no locks, but then no files either, and the
 * database's transactions do.
 *
 * @template T
 * @param {LockMode} mode
 * @param {string} verb
 * @param {unknown} directory
 * @param {string} name
 * @param {AbortSignal | undefined} signal
 * @param {(key: [string, string]) => Promise<T>} work
 * @returns {Promise<T>}
 */
function locked(mode, verb, directory, name, signal, work) {
  return failing(`${verb} ${shown(name)}`, signal, async () => {
    checkName(name);
    const place = folderName(directory);
    signal?.throwIfAborted();
    const run = () => work([place, name]);
    const locks = globalThis.navigator?.locks;
    if (!locks) return run();
    if (mode === 'exclusive') await removeAbandoned(place).catch(() => {});
    return locks.request(lockOf(place, name), { mode, ...(signal && { signal }) }, run);
  });
}

/**
 * @param {string} place
 * @param {string} name
 */
function lockOf(place, name) {
  return `twindex/${place}/${name}`;
}

/**
 * Deletes what saves that died have left. Stores in use are passed over.
 *
 * @param {string} place
 */
async function removeAbandoned(place) {
  const folder = await openFolder(place);
  for (const [name, files] of await filesIn(folder)) {
    if (files.length === 1 && (await newest(files))) continue;
    await globalThis.navigator.locks.request(lockOf(place, name), { ifAvailable: true }, async (lock) => {
      if (folder && lock) await removeOlder(folder, name);
    });
  }
}

/** @param {unknown} directory */
function folderName(directory = 'twindex') {
  if (isPlain(directory)) return directory;
  throw new VectorStoreError(`a directory is the name of one folder, got ${shown(directory)}`, 'invalid_argument');
}

/**
 * The folder of files. There is none where files cannot be written, and none before the first save.
 *
 * @param {string} name
 */
async function openFolder(name, create = false) {
  if (!globalThis.FileSystemFileHandle?.prototype.createWritable) return undefined;
  try {
    const root = await globalThis.navigator?.storage?.getDirectory?.();
    return await root?.getDirectoryHandle(name, { create });
  } catch (cause) {
    if (isNamed(cause, 'SecurityError')) return undefined;
    return absent(cause);
  }
}

/**
 * The files of a folder by the name of their store, the newest first. Chromium's swap files, which a browser that was killed leaves, come last.
 *
 * @param {FileSystemDirectoryHandle | undefined} folder
 */
async function filesIn(folder) {
  /** @type {Map<string, { file: string, number: number, handle: FileSystemFileHandle }[]>} */
  const stores = new Map();
  for await (const [file, handle] of folder?.entries() ?? []) {
    const [, name, number, swap] = FILE.exec(file) ?? [];
    if (!name || !(handle instanceof FileSystemFileHandle)) continue;
    const files = stores.get(name) ?? [];
    files.push({ file, number: swap ? 0 : Number(number), handle });
    stores.set(name, files.sort((a, b) => b.number - a.number));
  }
  return stores;
}

/**
 * The newest of a store's files that has something in it. One that is empty is being written, or died so.
 *
 * @param {{ file: string, number: number, handle: FileSystemFileHandle }[]} [files]
 */
async function newest(files = []) {
  for (const { file, number, handle } of files) {
    const content = number > 0 ? await handle.getFile() : undefined;
    if (content?.size) return { file, content };
  }
  return undefined;
}

/**
 * The names of the stores in a folder.
 *
 * @param {FileSystemDirectoryHandle | undefined} folder
 * @returns {Promise<string[]>}
 */
async function namesIn(folder) {
  try {
    const names = [];
    for (const [name, files] of await filesIn(folder)) if (await newest(files)) names.push(name);
    return names;
  } catch (cause) {
    // A file went, and another one may have taken its place.
    return absent(cause) ?? namesIn(folder);
  }
}

/**
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 */
async function removeOlder(folder, name) {
  const files = (await filesIn(folder)).get(name) ?? [];
  const kept = await newest(files);
  for (const { file } of files) if (file !== kept?.file) await folder.removeEntry(file);
}

/**
 * Writes the next file of a store: what is written shows when it is closed, at once. Writing an existing file anew would do the same but for
 * Firefox, which deletes what it replaces a moment before it notes what takes its place, and has neither if it is killed there.
 *
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 * @param {Iterable<Uint8Array<ArrayBuffer>>} content
 */
async function writeNext(folder, name, content) {
  const [last] = (await filesIn(folder)).get(name) ?? [];
  const file = `${name}.${(last?.number ?? 0) + 1}.twindex`;
  try {
    const handle = await folder.getFileHandle(file, { create: true });
    const writable = await handle.createWritable();
    try {
      for (const piece of content) await writable.write(piece);
      await writable.close();
    } catch (cause) {
      await writable.abort().catch(() => {});
      throw cause;
    }
  } catch (cause) {
    await folder.removeEntry(file).catch(() => {});
    throw cause;
  }
  // What is left is hidden by the new file, and the next save tries again.
  await removeOlder(folder, name).catch(() => {});
}

/**
 * The result of a request to the database, once it is on disk; nothing if there is no database and none is to be made.
 *
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(entries: IDBObjectStore) => IDBRequest<T>} ask
 * @param {boolean} [create]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T | undefined>}
 */
async function transact(mode, ask, create, signal) {
  const database = await openDatabase(create);
  if (!database) return undefined;
  /** @type {() => void} */
  let stop = () => {};
  try {
    return await new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const transaction = database.transaction('stores', mode, { durability: 'strict' });
      const request = ask(transaction.objectStore('stores'));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? signal?.reason);
      stop = () => {
        try {
          transaction.abort();
        } catch {
          // It is being committed already, and completes.
        }
      };
      signal?.addEventListener('abort', stop);
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    database.close();
  }
}

/**
 * @param {boolean} [create]
 * @returns {Promise<IDBDatabase | undefined>}
 */
function openDatabase(create) {
  return new Promise((resolve, reject) => {
    if (!globalThis.indexedDB) throw new VectorStoreError('there is no storage here', 'storage_unavailable');
    const request = indexedDB.open('twindex', 1);
    request.onupgradeneeded = () => {
      if (create) request.result.createObjectStore('stores');
      else request.transaction?.abort();
    };
    request.onsuccess = () => {
      const database = request.result;
      // Whoever deletes the database shall not wait for a tab.
      database.onversionchange = () => database.close();
      resolve(database);
    };
    request.onerror = () => {
      if (!create && isNamed(request.error, 'AbortError')) resolve(undefined);
      else reject(request.error);
    };
  });
}

/**
 * @param {unknown} cause
 * @param {string} name
 */
function isNamed(cause, name) {
  return cause instanceof DOMException && cause.name === name;
}

/** @param {unknown} cause */
function absent(cause) {
  if (isNamed(cause, 'NotFoundError')) return undefined;
  throw cause;
}

/**
 * Gives the browser's errors their code.
 *
 * @template T
 * @param {string} what
 * @param {AbortSignal | undefined} signal
 * @param {() => Promise<T>} work
 */
async function failing(what, signal, work) {
  try {
    return await work();
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    if (!(cause instanceof DOMException)) throw cause;
    throw new VectorStoreError(`cannot ${what}: ${cause.message || cause.name}`, CODES[cause.name] ?? 'io_error', { cause });
  }
}
