// @ts-check
/**
 * Does with the storage what a test asks for, in a page or in a worker that the page starts. `?without=files` hides the origin's private file
 * system, as browsers are that cannot write it.
 */

import { storage } from '../../../wasm/js/storage-web.mjs';
import { contentOf, readAll, trap, versionOf } from './content.mjs';
import { BAD, GOOD } from './names.mjs';

const DIRECTORY = 'twindex';
const { searchParams } = new URL(location.href);
if (searchParams.get('without') === 'files') {
  Reflect.deleteProperty(StorageManager.prototype, 'getDirectory');
}

/**
 * @param {string} name
 * @param {string} [directory]
 */
const load = (name, directory) => storage.load(name, { directory }, async (saved) => versionOf(await readAll(saved)));

/** Ends what goes on until it is let go. @type {() => void} */
let letGo = () => {};

/** @type {Record<string, (...args: any[]) => unknown>} */
const ACTS = {
  save: (name, version, length, directory) => storage.save(name, contentOf(version, length), { directory }),
  load,
  list: (directory) => storage.list({ directory }),
  remove: (name, directory) => storage.remove(name, { directory }),

  /** Saves version after version, and reads what is there in between: the versions seen. */
  async churn(name, first, last, length) {
    const seen = [];
    for (let version = first; version <= last; version++) {
      await storage.save(name, contentOf(version, length));
      seen.push(await load(name));
    }
    return seen;
  },

  /** Starts to save version after version, until the end of this tab; each is told once it is saved. */
  async keepSaving(name, first, length) {
    const saveAll = async () => {
      for (let version = first; ; version++) {
        await storage.save(name, contentOf(version, length));
        tell(`${name} ${version}`);
      }
    };
    saveAll().catch((error) => tell(`failed: ${error}`));
  },

  /** A save that stands still before its last chunk, and its thread with it. */
  hang(name, version, length) {
    const chunks = contentOf(version, length);
    const last = chunks.length - 1;
    const stuck = chunks.map((chunk, i) =>
      i < last
        ? chunk
        : trap(chunk, () => {
            tell('hangs');
            const request = new XMLHttpRequest();
            request.open('GET', '/never', false);
            request.send();
          }),
    );
    // Later, so that this call is answered before.
    setTimeout(() => storage.save(name, stuck));
  },

  /** Reads the first bytes, and the rest once it is let go. */
  readSlowly(name) {
    return storage.load(name, {}, async (saved) => {
      const reader = saved.stream().getReader();
      const pieces = [(await reader.read()).value ?? new Uint8Array()];
      const released = new Promise((resolve) => (letGo = () => resolve(undefined)));
      tell('reads');
      await released;
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) pieces.push(piece.value);
      return versionOf(new Uint8Array(await new Blob(pieces).arrayBuffer()));
    });
  },
  letGo: () => letGo(),

  /** Lists over and over until it is let go: every answer, its names with commas between. */
  async watch() {
    const lists = [];
    let watching = true;
    letGo = () => (watching = false);
    while (watching) lists.push((await storage.list()).join());
    return lists;
  },

  /** Every name there is to try: what went otherwise than it should. */
  async names() {
    const wrong = [];
    const directory = 'names';
    for (const [version, name] of GOOD.entries()) await storage.save(name, contentOf(version), { directory });
    const listed = await storage.list({ directory });
    if (JSON.stringify(listed) !== JSON.stringify([...GOOD].sort())) wrong.push(['listed', ...listed]);
    for (const [version, name] of GOOD.entries()) {
      if ((await load(name, directory)) !== version) wrong.push(`another version of ${name}`);
    }
    for (const bad of BAD) {
      const name = /** @type {string} */ (bad);
      for (const refused of [storage.save(name, contentOf(1)), load(name), storage.remove(name)]) {
        const { code, message } = await refused.then(() => ({ code: 'taken', message: '' }), failureOf);
        if (code !== 'invalid_index_name' || !/ got ./.test(message)) wrong.push(`${String(bad)}: ${code}, ${message}`);
      }
    }
    for (const name of GOOD) if (!(await storage.remove(name, { directory }))) wrong.push(`${name} was not there`);
    return [...wrong, ...(await storage.list({ directory }))];
  },

  /** The codes that directories are refused with. */
  async directories() {
    const refused = [7, null, '', '.', '..', 'a/b', '/a', 'a\\b', 'a\0b', '\ud800'].flatMap((bad) => {
      const options = { directory: /** @type {string} */ (bad) };
      return [
        storage.save('index', contentOf(1), options),
        storage.load('index', options, readAll),
        storage.list(options),
        storage.remove('index', options),
      ];
    });
    const codes = await Promise.all(refused.map((call) => call.then(() => 'taken', (error) => failureOf(error).code)));
    return [...new Set(codes)];
  },

  /** Aborts at every moment there is: what each call rejected with, by the name of the moment. */
  async aborts(name) {
    const reason = { because: 'enough' };
    /** @param {Promise<unknown>} call */
    const outcome = (call) => call.then(() => 'done', (error) => (error === reason ? 'reason' : failureOf(error)));
    /** @type {Record<string, unknown>} */
    const outcomes = {};
    const aborted = AbortSignal.abort(reason);
    outcomes.save = await outcome(storage.save(name, contentOf(2), { signal: aborted }));
    outcomes.load = await outcome(storage.load(name, { signal: aborted }, readAll));
    outcomes.remove = await outcome(storage.remove(name, { signal: aborted }));
    for (const at of [0, 2, 4]) {
      const controller = new AbortController();
      const chunks = contentOf(2, 9 << 20).map((chunk, i) => (i === at ? trap(chunk, () => controller.abort(reason)) : chunk));
      outcomes[`save at chunk ${at}`] = await outcome(storage.save(name, chunks, { signal: controller.signal }));
      outcomes[`first save at chunk ${at}`] = await outcome(storage.save('fresh', chunks, { signal: controller.signal }));
    }
    if (navigator.locks) {
      await storage.load(name, {}, async () => {
        const controller = new AbortController();
        const waiting = outcome(storage.save(name, contentOf(2), { signal: controller.signal }));
        controller.abort(reason);
        outcomes['save that waits'] = await waiting;
      });
    }
    return outcomes;
  },

  /** Aborts a save after some milliseconds: how it ended. */
  async abortAfter(milliseconds, name, version, length) {
    const controller = new AbortController();
    const chunks = contentOf(version, length);
    const saved = storage.save(name, chunks, { signal: controller.signal });
    setTimeout(() => controller.abort('enough'), milliseconds);
    return saved.then(() => 'saved', (error) => (error === 'enough' ? 'aborted' : failureOf(error)));
  },

  /** A save of a chunk that another one detaches: the name of what it rejected with. */
  async detached(name) {
    const [head = new Uint8Array(), ...rest] = contentOf(2);
    const detach = () => structuredClone(head.buffer, { transfer: [head.buffer] });
    return storage.save(name, [trap(new Uint8Array(8), detach), ...rest]).then(
      () => 'saved',
      (error) => error.name,
    );
  },

  /** Whether an error of the reader's own comes out of `load` as it is. */
  async ownError(name) {
    const own = new Error('not a store');
    const thrown = await storage.load(name, {}, () => Promise.reject(own)).catch((error) => error);
    return thrown === own;
  },

  /** Everything that is kept, and where: names of files with their sizes but without their numbers, and keys of the database. */
  async everything() {
    const files = [];
    const root = await navigator.storage?.getDirectory?.().catch(() => undefined);
    for await (const folder of root?.values() ?? []) {
      if (!(folder instanceof FileSystemDirectoryHandle)) continue;
      for await (const file of folder.values()) {
        if (!(file instanceof FileSystemFileHandle)) continue;
        files.push(`${folder.name}/${file.name.replace(/\.\d+\.twindex/, '.twindex')} ${(await file.getFile()).size}`);
      }
    }
    return { files: files.sort(), keys: (await keys()).map((key) => /** @type {string[]} */ (key).join('/')) };
  },

  /** Deletes the database, as a page may that clears everything. */
  async clearDatabase() {
    const request = indexedDB.deleteDatabase('twindex');
    return new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(true);
      request.onerror = () => reject(request.error);
      request.onblocked = () => reject(new Error('a connection is open'));
    });
  },
};

/** The keys of the database, which is not made if there is none. @returns {Promise<IDBValidKey[]>} */
function keys() {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open('twindex', 1);
    open.onupgradeneeded = () => open.transaction?.abort();
    open.onerror = () => (open.error?.name === 'AbortError' ? resolve([]) : reject(open.error));
    open.onsuccess = () => {
      const request = open.result.transaction('stores').objectStore('stores').getAllKeys();
      request.onsuccess = () => resolve(request.result);
      open.result.close();
    };
  });
}

/** @param {any} error */
function failureOf(error) {
  return { name: error.name, code: error.code, message: error.message, cause: error.cause?.name };
}

/** @param {{ act: string, args: unknown[] }} request */
async function answer({ act, args }) {
  try {
    return { value: (await ACTS[act]?.(...args)) ?? null };
  } catch (error) {
    return { error: failureOf(error) };
  }
}

/** What was told, in the page. @type {string[]} */
const told = [];

/** @param {string} word */
function tell(word) {
  if (typeof document === 'undefined') postMessage({ word });
  else told.push(word);
}

/** The page's worker, with an `answer` like the page's own. */
function startWorker() {
  const worker = new Worker(new URL(`agent.mjs${location.search}`, import.meta.url), { type: 'module' });
  /** @type {Map<number, (outcome: unknown) => void>} */
  const waiting = new Map();
  let calls = 0;
  worker.onmessage = ({ data }) => {
    if (data.word) told.push(data.word);
    else waiting.get(data.call)?.(data.outcome);
  };
  /** @param {{ act: string, args: unknown[] }} request */
  return (request) =>
    new Promise((resolve) => {
      waiting.set(++calls, resolve);
      worker.postMessage({ call: calls, request });
    });
}

if (typeof document === 'undefined') {
  onmessage = async ({ data }) => postMessage({ call: data.call, outcome: await answer(data.request) });
} else {
  /** @type {ReturnType<typeof startWorker> | undefined} */
  let inWorker;
  const call = (/** @type {string} */ where, /** @type {{ act: string, args: unknown[] }} */ request) =>
    where === 'page' ? answer(request) : (inWorker ??= startWorker())(request);
  Object.assign(globalThis, { call, told });
}
