// @ts-check
// The calling thread's end of a worker: posts calls, runs the caller's functions when the host asks for them,
// settles promises.
import { VectorStoreError } from './error.mjs';
import { describe, isDetached } from './glue-support.mjs';
import {
  isResponse,
  lift,
  ownBytes,
  pack,
  packError,
  seal,
  takenBytes,
  unpack,
  unpackError,
} from './rpc-values.mjs';

/** @typedef {import('./rpc-values.mjs').Kind} Kind */
/** @typedef {import('./rpc-values.mjs').Packed} Packed */
/** @typedef {import('./rpc-values.mjs').PackedError} PackedError */

/**
 * A worker, of a browser or of Node.
 *
 * @template Sent
 * @template Received
 * @typedef {object} Thread
 * @property {(message: Sent, transfer: Transferable[]) => void} post
 * @property {(receive: (message: Received) => void, fail: (cause: unknown) => void) => void} listen
 * @property {(busy: boolean) => void} keep Whether the process is to wait for it.
 * @property {() => unknown} end
 */

/**
 * How something ended. What was thrown here is kept here, and comes back by its number.
 *
 * @typedef {{ value: Packed } | { error: PackedError, original: number }} Outcome
 */

/**
 * What a function said to each of many values, one after another. Where it threw, or gave no boolean or
 * number, that is the last.
 *
 * @typedef {{ values: unknown[], odd?: Outcome }} Outcomes
 */

/**
 * A call is answered by one result. `target` 0 is the class itself. Until then the host may ask for functions
 * by their numbers.
 *
 * @typedef {{ type: 'call', call: number, target: number, method: string, args: Packed }
 *   | { type: 'answer', call: number, ask: number, outcome: Outcome | Outcomes | undefined }
 *   | { type: 'cancel', call: number, reason: { error: PackedError, original: number } }
 *   | { type: 'release', target: number }
 * } ToHost
 */

/** @typedef {{ type: 'files', files: Record<string, string> }} ToNodeHost Where files of the package are. */

/** @typedef {{ value: unknown } | { handle: number } | { error: PackedError }} Ended */

/**
 * Each with the number of the function that is to be told.
 *
 * @typedef {{ id: number, warning: unknown }[]} Warnings
 */

/**
 * `handle` is the number of a store or a retriever that was made. `each` asks a function about many values,
 * and says what type its answers are.
 *
 * @typedef {{ type: 'result', call: number, warnings: Warnings } & Ended} Result
 */

/**
 * About a function, or the body of a response.
 *
 * @typedef {{ id: number, args: unknown[], each?: 'boolean' | 'number' }} Question
 */

/** @typedef {{ type: 'ask', call: number, ask: number } & Question} Ask */

/** @typedef {Result | Ask} ToClient */

/** @typedef {Map<number, Function>} Functions The caller's functions, by number. */

/**
 * @typedef {object} Request
 * @property {number} [target]
 * @property {string} method
 * @property {unknown[]} args
 * @property {Functions} [functions] Takes up the functions among the arguments.
 * @property {Functions[]} [known] Functions that were given before, to the store or the retriever.
 * @property {AbortSignal[]} [signals] Cancel it beside the one among the arguments.
 * @property {(value: object) => Kind | undefined} [represent]
 * @property {object} [owner] Is not to be collected meanwhile.
 * @property {boolean} [changes] Whether it may change something: then it is cancelled once the host says that
 *   it was.
 * @property {boolean} [take] Whether to take the memory of an argument away from the caller, where it would
 *   be copied.
 */

/** A worker and the calls that it has not answered. */
export class Connection {
  #thread;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  #waiting = 0;
  #last = 0;
  /** @type {VectorStoreError | undefined} */
  #failure;
  #forgotten = new FinalizationRegistry((/** @type {number} */ target) => this.release(target));

  /** @param {Thread<ToHost | ToNodeHost, ToClient>} thread */
  constructor(thread) {
    this.#thread = thread;
    thread.keep(false);
    thread.listen(
      (message) => (message.type === 'ask' ? void this.#answer(message) : this.#settle(message)),
      (cause) => this.fail(`the worker failed: ${describe(cause)}`, cause),
    );
  }

  /** Whether the worker is gone. */
  get failed() {
    return this.#failure !== undefined;
  }

  /**
   * Makes a call. What it is given is taken in before this returns.
   *
   * @param {Request} request
   * @returns {Promise<any>} The value, or the number of what was made.
   */
  call(request) {
    return new Promise((resolve, reject) => {
      if (this.#failure) throw this.#failure;
      const id = ++this.#last;
      const call = new Call(request, () => ++this.#last, {
        resolve,
        reject,
        done: () => this.#wait(-1),
        cancel: (reason) => this.#post(() => ({ type: 'cancel', call: id, reason: call.keep(reason) })),
      });
      const lifted = readable(() => call.lift());
      call.throwIfAborted();
      /** @type {ArrayBuffer[]} */
      const transfer = [];
      const args = {
        ...lifted,
        value: lifted.value.map((argument) => bytesOf(argument, request.take, transfer)),
      };
      const { target = 0, method } = request;
      this.#post(
        (whole) => ({ type: 'call', call: id, target, method, args: seal(args, call.represent, whole) }),
        transfer,
      );
      this.#calls.set(id, call);
      this.#wait(1);
      call.listen();
    });
  }

  /**
   * Lets go of a store or a retriever. Calls before this end as if it had not been called.
   *
   * @param {number} target
   */
  release(target) {
    if (!this.#failure) this.#thread.post({ type: 'release', target }, []);
  }

  /**
   * Lets go of a target when the object that the caller has is collected.
   *
   * @param {object} object
   * @param {number} target
   */
  adopt(object, target) {
    this.#forgotten.register(object, target, object);
  }

  /** @param {object} object */
  disown(object) {
    this.#forgotten.unregister(object);
  }

  /**
   * Ends the worker. Every call that waits rejects.
   *
   * @param {string} message
   * @param {unknown} [cause]
   */
  fail(message, cause) {
    if (this.#failure) return undefined;
    this.#failure = new VectorStoreError(message, 'worker_failed', { cause });
    for (const call of this.#calls.values()) call.reject(this.#failure);
    this.#calls.clear();
    return this.#thread.end();
  }

  /**
   * Posts a message, made again of copies if structured clone refuses a part of it, as it does with the
   * proxies of user interface libraries.
   *
   * @param {(whole: boolean) => ToHost} message
   * @param {ArrayBuffer[]} [transfer]
   */
  #post(message, transfer = []) {
    if (this.#failure) return;
    try {
      this.#thread.post(message(false), transfer);
    } catch {
      try {
        this.#thread.post(message(true), []);
      } catch (cause) {
        throw invalid(`an argument cannot be sent to the worker: ${describe(cause)}`, cause);
      }
    }
  }

  /** @param {Ask} ask */
  async #answer({ call: id, ask, ...question }) {
    const call = this.#calls.get(id);
    /** @type {Answer} */
    const { transfer, outcome } =
      call && !call.settled ? await call.answer(question) : { outcome: () => undefined };
    /** @type {(outcome: Outcome | Outcomes | undefined) => ToHost} */
    const answer = (outcome) => ({ type: 'answer', call: id, ask, outcome });
    try {
      this.#post((whole) => answer(outcome(whole)), transfer);
    } catch (thrown) {
      this.#post(() => answer(call?.keep(thrown)));
    }
  }

  /** @param {Result} result */
  #settle(result) {
    const call = this.#calls.get(result.call);
    this.#calls.delete(result.call);
    if (call && !call.settled) call.end(result);
    // What a cancelled call made nobody has.
    else if ('handle' in result) this.release(result.handle);
  }

  /** @param {1 | -1} more */
  #wait(more) {
    const before = this.#waiting;
    this.#waiting += more;
    if (!this.#failure && (before === 0 || this.#waiting === 0)) this.#thread.keep(this.#waiting > 0);
  }
}

/**
 * @param {string} message
 * @param {unknown} cause
 */
const invalid = (message, cause) => new VectorStoreError(message, 'invalid_argument', { cause });

/**
 * @template T
 * @param {() => T} read
 * @returns {T}
 */
function readable(read) {
  try {
    return read();
  } catch (cause) {
    throw invalid(`an argument cannot be read: ${describe(cause)}`, cause);
  }
}

/**
 * Arguments as they are now, for a call that uses them later. Functions and signals stay what they are.
 *
 * @template {unknown[]} T
 * @param {T} args
 * @returns {T}
 */
export function taken(args) {
  /** @type {object[]} */
  const kept = [];
  /** @param {object} value @returns {Kind | undefined} */
  const represent = (value) => {
    if (typeof value !== 'function' && !isSignal(value)) return undefined;
    return { kind: 'function', id: kept.push(value) - 1 };
  };
  const packed = readable(() => pack(args, represent, true));
  return /** @type {T} */ (unpack(packed, (standIn) => kept[/** @type {any} */ (standIn).id]));
}

/**
 * @param {object} value
 * @returns {value is AbortSignal}
 */
const isSignal = (value) => Object.prototype.toString.call(value) === '[object AbortSignal]';

/**
 * An argument that is bytes in memory of its own, which is given to the worker; any other as it is.
 *
 * @param {unknown} argument
 * @param {boolean | undefined} take
 * @param {ArrayBuffer[]} transfer
 */
function bytesOf(argument, take, transfer) {
  const isBytes = ArrayBuffer.isView(argument) || argument instanceof ArrayBuffer;
  if (!isBytes) return argument;
  if (isDetached(argument)) return argument;
  const own = take ? takenBytes(argument) : ownBytes(argument);
  transfer.push(own instanceof ArrayBuffer ? own : own.buffer);
  return own;
}

/**
 * An answer to the host, made again of copies where it has to be.
 *
 * @typedef {object} Answer
 * @property {ArrayBuffer[]} [transfer]
 * @property {(whole: boolean) => Outcome | Outcomes | undefined} outcome
 */

/**
 * What a call does to its promise, and to what is around it.
 *
 * @typedef {object} Settlement
 * @property {(value: unknown) => void} resolve
 * @property {(reason: unknown) => void} reject
 * @property {() => void} done
 * @property {(reason: unknown) => void} cancel
 */

/** A call, as long as the host may ask for what it was given. */
class Call {
  settled = false;
  #request;
  #settlement;
  #functions;
  /** @type {Map<number, Response>} */
  #responses = new Map();
  #signals;
  #nextId;
  /** @type {Map<object, Kind>} */
  #represented = new Map();
  /** What was thrown here: it comes back as the very same object. @type {unknown[]} */
  #originals = [];

  /**
   * @param {Request} request
   * @param {() => number} nextId
   * @param {Settlement} settlement
   */
  constructor(request, nextId, settlement) {
    this.#request = request;
    this.#nextId = nextId;
    this.#settlement = settlement;
    this.#functions = request.functions ?? new Map();
    this.#signals = new Set(request.signals);
  }

  /** The arguments, with the functions and signals taken out. */
  lift() {
    const { value, standIns } = lift(this.#request.args, this.represent);
    return { value: /** @type {unknown[]} */ (value), standIns };
  }

  /** @param {object} value @returns {Kind | undefined} */
  represent = (value) => {
    const kind = this.#represented.get(value) ?? this.#request.represent?.(value) ?? this.#numbered(value);
    if (kind) this.#represented.set(value, kind);
    return kind;
  };

  /** @param {object} value @returns {Kind | undefined} */
  #numbered(value) {
    if (typeof value === 'function') {
      const id = this.#nextId();
      this.#functions.set(id, value);
      return { kind: 'function', id };
    }
    if (isSignal(value)) {
      this.#signals.add(value);
      return { kind: 'signal' };
    }
    if (isResponse(value)) {
      const id = this.#nextId();
      this.#responses.set(id, value);
      const { url, status, statusText, headers } = value;
      return { kind: 'response', id, url, init: { status, statusText, headers: [...headers] } };
    }
    return undefined;
  }

  throwIfAborted() {
    for (const signal of this.#signals) if (signal.aborted) throw signal.reason;
  }

  listen() {
    for (const signal of this.#signals) signal.addEventListener('abort', this.#abort);
  }

  #abort = (/** @type {Event} */ event) => {
    const { reason } = /** @type {AbortSignal} */ (event.target);
    if (!this.#request.changes) this.reject(reason);
    this.#settlement.cancel(reason);
  };

  /**
   * @param {Question} question
   * @returns {Promise<Answer>}
   */
  async answer({ id, args, each }) {
    const asked = this.#find(id);
    const response = this.#responses.get(id);
    try {
      if (response) {
        const bytes = await response.arrayBuffer();
        return { transfer: [bytes], outcome: () => ({ value: pack(bytes) }) };
      }
      if (each) {
        const outcomes = this.#askEach(asked, args, each);
        return { outcome: () => outcomes };
      }
      const value = await asked(...args);
      return { outcome: (whole) => ({ value: pack(value, this.represent, whole) }) };
    } catch (thrown) {
      return { outcome: () => this.keep(thrown) };
    }
  }

  /**
   * @param {number} id
   * @returns {Function}
   */
  #find(id) {
    const known = [this.#functions, ...(this.#request.known ?? [])];
    return /** @type {Function} */ (known.find((functions) => functions.has(id))?.get(id));
  }

  /**
   * @param {Function} asked
   * @param {unknown[]} items
   * @param {'boolean' | 'number'} type
   * @returns {Outcomes}
   */
  #askEach(asked, items, type) {
    const values = [];
    for (const item of items) {
      let value;
      try {
        value = asked(item);
      } catch (thrown) {
        return { values, odd: this.keep(thrown) };
      }
      if (typeof value !== type) return { values, odd: { value: pack(value, undefined, true) } };
      values.push(value);
    }
    return { values };
  }

  /**
   * Packs what was thrown, and keeps it for when it comes back.
   *
   * @param {unknown} thrown
   */
  keep(thrown) {
    return { error: packError(thrown), original: this.#originals.push(thrown) - 1 };
  }

  /** @param {Result} result */
  end(result) {
    try {
      for (const { id, warning } of result.warnings) this.#find(id)(warning);
    } catch (thrown) {
      return this.reject(thrown);
    }
    if ('error' in result) {
      return this.reject(unpackError(result.error, (original) => this.#originals[original]));
    }
    this.#finish();
    this.#settlement.resolve('handle' in result ? result.handle : result.value);
  }

  /** @param {unknown} reason */
  reject(reason) {
    if (this.settled) return;
    this.#finish();
    this.#settlement.reject(reason);
  }

  #finish() {
    this.settled = true;
    this.#settlement.done();
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#abort);
  }
}
