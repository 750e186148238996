// @ts-check
// The worker's end of `twindex/embed`: has the module and one model.

import { openCache } from './embed-cache.mjs';
import { endsModule, modelFailure } from './embed-fault.mjs';
import { Reader } from './embed-files.mjs';
import { Model, foldersOf, startModule, version } from './embed-glue.mjs';
import { begin } from './start.mjs';
import { packError } from './rpc-values.mjs';

/** @typedef {import('./embed-client.mjs').Load} Load */
/** @typedef {import('./embed-client.mjs').Loaded} Loaded */
/** @typedef {import('./embed-client.mjs').ToEmbedClient} ToEmbedClient */
/** @typedef {import('./embed-client.mjs').ToEmbedHost} ToEmbedHost */
/** @typedef {import('./embed-files.mjs').Contents} Contents */
/** @typedef {import('./embed-files.mjs').Report} Report */

/**
 * What differs between a browser and Node.
 *
 * @typedef {object} Platform
 * @property {import('./embed-files.mjs').Open} open
 * @property {(place: string | undefined) => Promise<BufferSource | Response>} wasm The module at a place, or the
 *   package's own.
 * @property {(message: ToEmbedClient, transfer: ArrayBuffer[]) => void} post
 */

/** Bytes that come between two messages about them. */
const STEP = 1 << 18;

export class EmbedHost {
  #platform;
  /** @type {Model | undefined} */
  #model;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** @param {ToEmbedHost} message */
  async receive(message) {
    const { call } = message;
    try {
      if (message.type === 'load') {
        this.#platform.post({ type: 'answer', call, value: await this.#load(message) }, []);
      } else {
        const vectors = this.#embed(message.texts, message.numbers);
        this.#platform.post({ type: 'answer', call, value: vectors }, [vectors.buffer]);
      }
    } catch (thrown) {
      this.#platform.post({ type: 'answer', call, error: packError(thrown) }, []);
    }
  }

  /**
   * @param {Load} load
   * @returns {Promise<Loaded>}
   */
  async #load({ model, cache: name, wasm }) {
    const place = typeof wasm === 'string' ? wasm : undefined;
    const started = begin({ startModule, version }, place === undefined ? wasm : undefined, () => this.#platform.wasm(place));
    // It is waited for below, unless a file fails first.
    started.catch(() => {});
    const cache = await openCache(name);
    const report = this.#reporter();
    const read = async (/** @type {typeof cache} */ from) => {
      const reader = new Reader(this.#platform.open, from);
      const found = await reader.find(model, async (modules) => {
        await started;
        return modelled(() => foldersOf(modules));
      });
      const { files, contents } = await reader.read(found, report);
      await started;
      return { files, contents, usedCache: reader.usedCache };
    };

    let { files, contents, usedCache } = await read(cache);
    try {
      this.#model = modelOf(contents);
    } catch (damaged) {
      if (!cache || !usedCache) throw damaged;
      // What was kept is no good: once more, from where it came from, unless the module has ended over it.
      await cache.forget(model, files);
      if (endsModule(damaged)) throw damaged;
      ({ files, contents, usedCache } = await read(undefined));
      this.#model = modelOf(contents);
    }
    const cached = cache !== undefined && ((await cache.filesOf(model)) !== undefined || (await cache.keep(model, files, contents)));
    const { dim, maxSeqLength } = this.#model;
    return { dim, maxSeqLength, cached };
  }

  /** Tells the client how far it is, now and then, and at the end. @returns {Report} */
  #reporter() {
    let told = 0;
    return (loaded, total) => {
      if (loaded < told) told = 0; // once more
      if (loaded === told || (loaded < told + STEP && loaded !== total)) return;
      told = loaded;
      this.#platform.post({ type: 'progress', loaded, total }, []);
    };
  }

  /**
   * @param {string[]} texts
   * @param {Uint32Array} numbers
   */
  #embed(texts, numbers) {
    const model = this.#model;
    if (!model) throw new Error('a model was to be loaded first');
    return modelled(() => model.embed(texts, numbers));
  }
}

/** @param {Contents} contents */
function modelOf({ config, tokenizer, weights, pooling, modules, sentenceConfig }) {
  return modelled(() => new Model(config, tokenizer, weights, pooling, modules, sentenceConfig));
}

/**
 * @template T
 * @param {() => T} work
 */
function modelled(work) {
  try {
    return work();
  } catch (thrown) {
    throw modelFailure(thrown);
  }
}
