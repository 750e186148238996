// @ts-check
// The files of a model: found, and read while somebody is told how far it is.

import { fault, unreadable } from './embed-fault.mjs';

/** @typedef {import('./embed-cache.mjs').Files} Files */
/** @typedef {import('./embed-cache.mjs').Model} Model */
/** @typedef {import('./embed-cache.mjs').ModelCache} ModelCache */

/** @typedef {keyof typeof NAMES} Role */

/** @typedef {string | Blob | Uint8Array<ArrayBuffer>} Place A URL, or what is there. */

/** @typedef {Partial<Record<Role, Uint8Array<ArrayBuffer>>>} Contents */

/**
 * A file that is about to be read. `size` is null where nobody says.
 *
 * @typedef {{ size: number | null, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }} Opened
 */

/** @typedef {(url: string) => Promise<Opened | undefined>} Open `undefined` where there is no such file. */

/** @typedef {(loaded: number, total: number | null) => void} Report */

/** As they are called in a folder. */
export const NAMES = {
  config: 'config.json',
  tokenizer: 'tokenizer.json',
  weights: 'model.safetensors',
  pooling: '1_Pooling/config.json',
  modules: 'modules.json',
  sentenceConfig: 'sentence_bert_config.json',
};

/** What a folder may lack. */
const OPTIONAL = ['pooling', 'modules', 'sentenceConfig'];

/** What servers answer for files that are not there; the first is that of storage whose names nobody may list. */
const ABSENT = [403, 404, 410];

/**
 * What a server answers.
 *
 * @param {Response} response
 * @returns {Opened | undefined}
 */
export function openedResponse(response) {
  const { headers, status, ok, body } = response;
  // A development server answers for a file it does not have with a page, and says that all is well.
  if (ABSENT.includes(status) || headers.get('content-type')?.startsWith('text/html')) return undefined;
  if (!ok) throw new Error(`the server answered ${status}`);
  // What is compressed on its way is larger when it arrives.
  const length = headers.get('content-encoding') ? null : headers.get('content-length');
  return { size: length === null ? null : Number(length), chunks: body ? chunksOf(body) : [] };
}

/**
 * Not every engine can iterate over streams.
 *
 * @param {ReadableStream<Uint8Array>} stream
 */
async function* chunksOf(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Finds and reads files, from the cache where they are in it. */
export class Reader {
  /** Whether anything came from the cache. */
  usedCache = false;
  #open;
  #cache;
  /** @type {readonly string[]} */
  #mayBeAbsent = [];
  /** What was read to find the others. @type {Map<string, Uint8Array<ArrayBuffer>>} */
  #known = new Map();

  /**
   * @param {Open} open
   * @param {ModelCache | undefined} cache
   */
  constructor(open, cache) {
    this.#open = open;
    this.#cache = cache;
  }

  /**
   * Where the files of a model are; of a folder's, also those that may turn out to be absent.
   *
   * @param {Model} model
   * @param {(modules: Uint8Array | undefined) => Promise<string[]>} foldersOf
   * @returns {Promise<Files>}
   */
  async find(model, foldersOf) {
    if ('files' in model) return model.files;
    const listed = await this.#cache?.filesOf(model);
    if (listed) return listed;
    const at = (/** @type {string[]} */ ...path) => String(new URL(path.filter(Boolean).join('/'), model.folder));
    const modules = at(NAMES.modules);
    this.#mayBeAbsent = OPTIONAL;
    const { contents } = await this.read({ modules }, () => {});
    if (contents.modules) this.#known.set(modules, contents.modules);
    const [transformer, pooling] = (await foldersOf(contents.modules)).map((name) => name.replace(/\/+$/, ''));
    return {
      ...(contents.modules && { modules }),
      config: at(transformer, NAMES.config),
      tokenizer: at(transformer, NAMES.tokenizer),
      weights: at(transformer, NAMES.weights),
      sentenceConfig: at(transformer, NAMES.sentenceConfig),
      pooling: at(pooling, 'config.json'),
    };
  }

  /**
   * Reads files. Those that are absent, and not needed, are left out.
   *
   * @param {Files} files
   * @param {Report} report
   * @returns {Promise<{ files: Files, contents: Contents }>}
   */
  async read(files, report) {
    const entries = /** @type {[Role, Place][]} */ (Object.entries(files));
    const found = await Promise.all(entries.map(async ([role, place]) => ({ role, place, opened: await this.#opened(role, place) })));
    const there = found.filter((file) => file.opened !== undefined);
    const sizes = there.map(({ opened }) => opened?.size ?? null);
    const total = sizes.reduce((sum, size) => (sum === null || size === null ? null : sum + size), /** @type {number | null} */ (0));
    let loaded = 0;
    const advance = (/** @type {number} */ bytes) => report((loaded += bytes), total);
    const read = await Promise.all(there.map(({ role, opened }) => bytesOf(NAMES[role], /** @type {Opened} */ (opened), advance)));
    report(loaded, loaded);
    return {
      files: Object.fromEntries(there.map(({ role, place }) => [role, place])),
      contents: Object.fromEntries(there.map(({ role }, i) => [role, read[i]])),
    };
  }

  /**
   * @param {Role} role
   * @param {Place} place
   * @returns {Promise<Opened | undefined>}
   */
  async #opened(role, place) {
    if (place instanceof Uint8Array) return { size: place.length, chunks: [place] };
    if (typeof place !== 'string') return { size: place.size, chunks: chunksOf(place.stream()) };
    const known = this.#known.get(place);
    if (known) return { size: known.length, chunks: [known] };
    const kept = await this.#cache?.find(place);
    if (kept) {
      this.usedCache = true;
      return openedResponse(kept);
    }
    let opened;
    try {
      opened = await this.#open(place);
    } catch (cause) {
      throw unreadable(NAMES[role], `cannot be read at ${place}`, cause);
    }
    if (!opened && !this.#mayBeAbsent.includes(role)) throw unreadable(NAMES[role], `is missing: there is none at ${place}`);
    return opened;
  }
}

/**
 * @param {string} name
 * @param {Opened} opened
 * @param {(bytes: number) => void} advance
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function bytesOf(name, { size, chunks }, advance) {
  /** @type {Uint8Array<ArrayBuffer>} */
  let bytes = room(name, size ?? 0);
  let length = 0;
  try {
    for await (const chunk of chunks) {
      if (length + chunk.length > bytes.length) {
        const larger = room(name, Math.max(length + chunk.length, 2 * bytes.length));
        larger.set(bytes.subarray(0, length));
        bytes = larger;
      }
      bytes.set(chunk, length);
      length += chunk.length;
      advance(chunk.length);
    }
  } catch (cause) {
    throw unreadable(name, 'cannot be read', cause);
  }
  if (size !== null && length < size) throw unreadable(name, `ended after ${length} of ${size} bytes`);
  return length === bytes.length ? bytes : bytes.subarray(0, length);
}

/**
 * @param {string} name
 * @param {number} size
 */
function room(name, size) {
  try {
    return new Uint8Array(size);
  } catch {
    throw fault(`no memory for ${size} bytes of ${name}`, 'out_of_memory');
  }
}
