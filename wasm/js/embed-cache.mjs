// @ts-check
// Models in the browser's Cache Storage. A model's files lie under their own URLs. Those of a folder are found by an
// entry of the folder's, which says where they are and is written last: with it, the model is there whole.

/** @typedef {import('./embed-files.mjs').Place} Place */
/** @typedef {import('./embed-files.mjs').Role} Role */
/** @typedef {Partial<Record<Role, Place>>} Files */
/** @typedef {{ folder: string } | { files: Files }} Model */

/** @param {Place | undefined} place @returns {place is string} */
const isKept = (place) => typeof place === 'string' && /^https?:/.test(place);

/** @param {string} folder */
const entryOf = (folder) => String(new URL('?twindex-model', folder));

/** @param {Files} files */
const urlsOf = (files) => Object.values(files).filter(isKept);

/** As headers say it; what a server answered with may vary by headers that do not matter here. */
const MATCHING = { ignoreVary: true };

/**
 * @param {string | undefined} name
 * @returns {Promise<ModelCache | undefined>} `undefined` where none is wanted, or this engine or page has none.
 */
export async function openCache(name) {
  if (name === undefined || typeof caches === 'undefined') return undefined;
  try {
    return new ModelCache(await caches.open(name));
  } catch {
    return undefined;
  }
}

export class ModelCache {
  #cache;

  /** @param {Cache} cache */
  constructor(cache) {
    this.#cache = cache;
  }

  /** @param {string} url */
  find(url) {
    return isKept(url) ? this.#cache.match(url, MATCHING) : undefined;
  }

  /**
   * Where the files of a model are, if all that can be kept are.
   *
   * @param {Model} model
   * @returns {Promise<Files | undefined>}
   */
  async filesOf(model) {
    const files = 'files' in model ? model.files : await this.#listed(model.folder);
    if (!files) return undefined;
    const urls = urlsOf(files);
    const found = await Promise.all(urls.map((url) => this.find(url)));
    return urls.length > 0 && found.every(Boolean) ? files : undefined;
  }

  /** @param {string} folder @returns {Promise<Files | undefined>} */
  async #listed(folder) {
    const entry = isKept(folder) && (await this.find(entryOf(folder)));
    // What cannot be read is as good as none.
    return entry ? entry.json().catch(() => undefined) : undefined;
  }

  /**
   * Keeps a model, or nothing of it.
   *
   * @param {Model} model
   * @param {Files} files Where its files are.
   * @param {Partial<Record<Role, Uint8Array<ArrayBuffer>>>} contents
   * @returns {Promise<boolean>} Whether there was room, and something to keep.
   */
  async keep(model, files, contents) {
    const entries = /** @type {[Role, Place][]} */ (Object.entries(files)).filter(([, place]) => isKept(place));
    if (entries.length === 0) return false;
    try {
      for (const [role, url] of entries) await this.#put(String(url), contents[role]);
      if ('folder' in model) await this.#put(entryOf(model.folder), JSON.stringify(files));
      return true;
    } catch {
      // No room, or storage that was taken away.
      await this.forget(model, files).catch(() => {});
      return false;
    }
  }

  /**
   * @param {string} url
   * @param {Uint8Array<ArrayBuffer> | string | undefined} content
   */
  async #put(url, content = '') {
    const length = typeof content === 'string' ? new TextEncoder().encode(content).length : content.length;
    await this.#cache.put(url, new Response(content, { headers: { 'content-length': String(length) } }));
  }

  /**
   * Removes a model.
   *
   * @param {Model} model
   * @param {Files} [known] Where its files are.
   * @returns {Promise<boolean>} Whether there was anything of it.
   */
  async forget(model, known) {
    const files = known ?? ('files' in model ? model.files : await this.#listed(model.folder)) ?? {};
    const urls = urlsOf(files);
    if ('folder' in model && isKept(model.folder)) urls.unshift(entryOf(model.folder));
    const removed = await Promise.all(urls.map((url) => this.#cache.delete(url, MATCHING)));
    return removed.some(Boolean);
  }
}
