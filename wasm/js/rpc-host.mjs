// @ts-check
// The worker's end: has the stores, and makes the calls that the calling thread posts.
import { HostCall } from './rpc-call.mjs';
import { STEPS } from './rpc-slice.mjs';
import { Turns } from './rpc-turns.mjs';
import { packError, unpack } from './rpc-values.mjs';

/** @typedef {import('./rpc-call.mjs').Context} Context */
/** @typedef {import('./rpc-client.mjs').ToClient} ToClient */
/** @typedef {import('./rpc-client.mjs').ToHost} ToHost */

/**
 * The package, as far as it is used here.
 *
 * @typedef {object} Package
 * @property {typeof import('./store.mjs').VectorStore} VectorStore
 * @property {(source?: any) => Promise<void>} init
 */

/** @typedef {Record<string, (...args: unknown[]) => Promise<unknown>>} Methods */

/** @typedef {{ real: Methods, context: Context }} Target A store, a retriever, or the class itself. */

export class Host {
  #VectorStore;
  #init;
  #post;
  /** @type {Map<number, Target>} */
  #targets = new Map();
  #lastTarget = 0;
  /** @type {Map<number, HostCall>} */
  #calls = new Map();
  /**
   * Settles when the module is there, or known not to be: each call says that itself.
   *
   * @type {Promise<unknown>}
   */
  #ready = Promise.resolve();

  /**
   * @param {Package} twindex
   * @param {(message: ToClient, transfer: Transferable[]) => void} post
   */
  constructor({ VectorStore, init }, post) {
    this.#VectorStore = VectorStore;
    this.#init = init;
    this.#post = post;
  }

  /** @param {ToHost} message */
  receive(message) {
    switch (message.type) {
      case 'call':
        return void this.#start(message);
      case 'answer':
        return void this.#calls.get(message.call)?.answer(message.ask, message.outcome);
      case 'cancel':
        return this.#calls.get(message.call)?.cancel(message.reason);
      case 'release':
        return this.#release(message.target);
    }
  }

  /** @param {ToHost & { type: 'call' }} message */
  async #start({ call: id, target, method, args }) {
    const { real, context } = this.#targets.get(target) ?? this.#ownClass();
    const call = new HostCall(id, context, (ask) => this.#post(ask, []));
    this.#calls.set(id, call);
    /** @type {Context[]} */
    let used = [];
    /** @type {import('./rpc-client.mjs').Ended} */
    let ended;
    try {
      const given = /** @type {unknown[]} */ (
        unpack(args, (standIn) => call.make(standIn, (store) => this.#targets.get(store)))
      );
      used = call.contexts;
      for (const context of used) context.calls++;
      const step = STEPS[method];
      const work = async () => (step ? step(real, ...given) : real[method](...given));
      const value = await (method === 'init' ? this.#load(given) : call.run(this.#ready, work));
      ended = this.#made(method, value, context) ?? { value };
    } catch (thrown) {
      ended = { error: packError(thrown, (original) => call.originalOf(original)) };
    }
    this.#calls.delete(id);
    this.#post(
      { type: 'result', call: id, warnings: call.warnings, ...ended },
      'value' in ended ? memoryOf(ended.value) : [],
    );
    for (const context of used) {
      context.calls--;
      freeIfUnused(context);
    }
  }

  /** @param {unknown[]} args */
  #load([options]) {
    const { source, awaited } = /** @type {import('./rpc-store.mjs').Source} */ (options);
    const loaded = this.#init(awaited ? awaited() : source);
    this.#ready = loaded.catch(() => {});
    return loaded;
  }

  /** @returns {Target} The class with the store that it may make. */
  #ownClass() {
    return { real: /** @type {any} */ (this.#VectorStore), context: { turns: new Turns(), calls: 0 } };
  }

  /**
   * Keeps what was made, and gives the number by which the calling thread knows it.
   *
   * @param {string} method
   * @param {any} value
   * @param {Context} context
   */
  #made(method, value, context) {
    if (value instanceof this.#VectorStore) context.store = value;
    else if (method !== 'asRetriever') return undefined;
    this.#targets.set(++this.#lastTarget, { real: value, context });
    return { handle: this.#lastTarget };
  }

  /** @param {number} number */
  #release(number) {
    const target = this.#targets.get(number);
    this.#targets.delete(number);
    if (!target || target.real !== /** @type {unknown} */ (target.context.store)) return;
    target.context.released = true;
    freeIfUnused(target.context);
  }
}

/**
 * Calls made before `free` end as if it had not been called, and some make more than one attempt.
 *
 * @param {Context} context
 */
function freeIfUnused({ store, calls, released }) {
  if (released && calls === 0) store?.free();
}

/**
 * The memory of a result that can be given away.
 *
 * @param {unknown} value
 * @returns {ArrayBuffer[]}
 */
function memoryOf(value) {
  if (!ArrayBuffer.isView(value) || !(value.buffer instanceof ArrayBuffer)) return [];
  return value.buffer.byteLength === value.byteLength ? [value.buffer] : [];
}
