// @ts-check
// A call inside the worker. The store's methods are called as they are; what they call back is not here but
// on the calling thread.
//
// Functions that may be awaited (embeddings, progress) are asked there when the store calls them. Predicates
// and relevance functions cannot be: the store calls them in the middle of a search. So the first attempt of
// a search finds out whether they are needed, and fails when it gets to them; they are then asked about all
// documents or scores, and the next attempt has the answers. No other call of the store runs in between.
//
// A call has the store's turn while anything of it runs, and passes it on while it waits for the calling
// thread. So what the store calls back always belongs to the call that has the turn.
import { afterMicrotasks } from './rpc-turns.mjs';
import { unpack, unpackError } from './rpc-values.mjs';

/** @typedef {import('./rpc-client.mjs').Ask} Ask */
/** @typedef {import('./rpc-client.mjs').Outcome} Outcome */
/** @typedef {import('./rpc-client.mjs').Outcomes} Outcomes */
/** @typedef {import('./rpc-client.mjs').Warnings} Warnings */
/** @typedef {import('./rpc-values.mjs').Kind} Kind */
/** @typedef {import('./rpc-values.mjs').PackedError} PackedError */
/** @typedef {import('./index.js').Document} Document */

/** @typedef {{ value: unknown } | { thrown: unknown }} Answer What a function of the caller's gave. */

/**
 * Documents that a predicate is asked about at a time: the calling thread can do something else after each.
 */
const PAGE = 500;

const NOT_YET = new Error('the answer is not known yet');

/**
 * What the calls of one store share.
 *
 * @typedef {object} Context
 * @property {import('./rpc-turns.mjs').Turns<HostCall>} turns
 * @property {import('./store.mjs').VectorStore} [store] None while it is being made.
 * @property {number} calls How many have not ended.
 * @property {boolean} [released] Whether it is to be freed when they have.
 */

export class HostCall {
  /** @type {Warnings} */
  warnings = [];
  #id;
  #context;
  #contexts;
  #post;
  #abort = new AbortController();
  /** What was thrown on the calling thread, with the number it has there. @type {Map<unknown, number>} */
  #originals = new Map();
  /** @type {Map<number, { resolve: (answer: any) => void, reject: (reason: unknown) => void }>} */
  #asked = new Map();
  #lastAsk = 0;
  /**
   * The queries embedded, in order: another attempt does not ask again.
   *
   * @type {{ text: unknown, answer: Promise<unknown> }[]}
   */
  #queries = [];
  #nextQuery = 0;
  /** What predicates say to documents, by id. @type {Map<number, Map<string, Answer>>} */
  #verdicts = new Map();
  /** What the relevance function says to scores. @type {Map<number, Map<number, Answer>>} */
  #relevances = new Map();
  /** Predicates that the last attempt needed. @type {Set<number>} */
  #wantedVerdicts = new Set();
  /** Scores that the last attempt needed the relevances of, by function. @type {Map<number, Set<number>>} */
  #wantedRelevances = new Map();
  #hasTurn = false;
  #turn = 0;
  #keepsTurn = false;

  /**
   * @param {number} id
   * @param {Context} context
   * @param {(ask: Ask) => void} post
   */
  constructor(id, context, post) {
    this.#id = id;
    this.#context = context;
    this.#contexts = [context];
    this.#post = post;
  }

  get signal() {
    return this.#abort.signal;
  }

  /** Of the stores that it uses. */
  get contexts() {
    return this.#contexts;
  }

  /**
   * Makes another attempt until it needs no answer that is not there.
   *
   * @template T
   * @param {Promise<unknown>} ready
   * @param {() => Promise<T>} attempt
   * @returns {Promise<T>}
   */
  async run(ready, attempt) {
    try {
      await this.#takeTurn();
      await ready;
      this.signal.throwIfAborted();
      for (;;) {
        const outcome = await this.#settled(attempt);
        if (this.#wantedVerdicts.size === 0 && this.#wantedRelevances.size === 0) {
          if ('thrown' in outcome) throw outcome.thrown;
          return outcome.value;
        }
        await this.#takeTurn();
        this.#keepsTurn = true;
        await this.#askForWanted();
      }
    } finally {
      this.#passTurn();
    }
  }

  /**
   * What stands for something of the caller's.
   *
   * @param {import('./rpc-values.mjs').StandIn} standIn
   * @param {(handle: number) => { real: unknown, context: Context } | undefined} find
   * @returns {unknown}
   */
  make(standIn, find) {
    switch (standIn.kind) {
      case 'signal':
        return this.signal;
      case 'store': {
        const { real, context } = /** @type {{ real: unknown, context: Context }} */ (find(standIn.handle));
        if (!this.#contexts.includes(context)) this.#contexts.push(context);
        return real;
      }
      case 'response':
        return this.#responseOf(standIn);
      case 'function':
        return this.#functionOf(/** @type {number} */ (standIn.id), standIn.path.at(-1));
      default:
        return undefined;
    }
  }

  /**
   * A function that gets its answers from the caller's. Some belong to the store, so it is the call whose
   * turn it is that asks.
   *
   * @param {number} id
   * @param {string | undefined} name
   */
  #functionOf(id, name) {
    const { turns } = this.#context;
    const current = () => turns.current ?? this;
    switch (name) {
      case 'embedDocuments':
      case 'onProgress':
        return (/** @type {unknown} */ argument) => current().ask({ id, args: [argument] });
      case 'embedQuery':
        return (/** @type {unknown} */ text) => current().#embedQuery(id, text);
      case 'awaited':
        return () => this.ask({ id, args: [] });
      case 'onWarning':
        return (/** @type {unknown} */ warning) => void current().warnings.push({ id, warning });
      case 'relevanceScoreFn':
        return (/** @type {number} */ score) => current().#relevance(id, score);
      default:
        return (/** @type {Document} */ document) => current().#verdict(id, document);
    }
  }

  /** @param {Kind & { kind: 'response' }} standIn */
  #responseOf({ id, url, init }) {
    if (init.status === 0) return Response.error();
    const body = new ReadableStream(
      {
        pull: async (controller) => {
          controller.enqueue(new Uint8Array(/** @type {ArrayBuffer} */ (await this.ask({ id, args: [] }))));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const isEmpty = [101, 204, 205, 304].includes(init.status);
    return Object.defineProperty(new Response(isEmpty ? null : body, init), 'url', { value: url });
  }

  /**
   * Asks the calling thread.
   *
   * @param {import('./rpc-client.mjs').Question} question
   * @returns {Promise<unknown>}
   */
  ask(question) {
    return new Promise((resolve, reject) => {
      const ask = ++this.#lastAsk;
      this.#asked.set(ask, { resolve, reject });
      this.#post({ type: 'ask', call: this.#id, ask, ...question });
    });
  }

  /**
   * Takes the calling thread's answer.
   *
   * @param {number} ask
   * @param {Outcome | Outcomes | undefined} outcome
   */
  async answer(ask, outcome) {
    const asked = this.#asked.get(ask);
    this.#asked.delete(ask);
    if (!asked) return;
    try {
      await this.#takeTurn();
    } catch (reason) {
      return asked.reject(reason);
    }
    if (!outcome) {
      asked.reject(this.signal.reason);
    } else if ('values' in outcome) {
      asked.resolve(outcome);
    } else {
      const answer = this.#received(outcome);
      if ('thrown' in answer) asked.reject(answer.thrown);
      else asked.resolve(answer.value);
    }
    this.#passTurnSoon();
  }

  /** @param {{ error: PackedError, original: number }} reason */
  cancel(reason) {
    const thrown = this.#thrown(reason);
    for (const { turns } of this.#contexts) turns.withdraw(this, thrown);
    this.#abort.abort(thrown);
  }

  /**
   * The number by which the calling thread knows what it threw.
   *
   * @param {unknown} thrown
   */
  originalOf(thrown) {
    return this.#originals.get(thrown);
  }

  /**
   * @param {Outcome} outcome
   * @returns {Answer}
   */
  #received(outcome) {
    if ('error' in outcome) return { thrown: this.#thrown(outcome) };
    return { value: unpack(outcome.value, (standIn) => this.make(standIn, () => undefined)) };
  }

  /** @param {{ error: PackedError, original: number }} outcome */
  #thrown({ error, original }) {
    const thrown = unpackError(error);
    // Others come back as the same by themselves.
    if (Object(thrown) === thrown || typeof thrown === 'symbol') this.#originals.set(thrown, original);
    return thrown;
  }

  /**
   * @template T
   * @param {() => Promise<T>} attempt
   * @returns {Promise<{ value: T } | { thrown: unknown }>}
   */
  async #settled(attempt) {
    this.warnings = [];
    this.#nextQuery = 0;
    this.#wantedVerdicts.clear();
    this.#wantedRelevances.clear();
    const attempted = attempt().then(
      (value) => ({ value }),
      (thrown) => ({ thrown }),
    );
    this.#passTurnSoon();
    return attempted;
  }

  /**
   * @param {number} id
   * @param {unknown} text
   */
  #embedQuery(id, text) {
    const at = this.#nextQuery++;
    if (this.#queries[at]?.text !== text) {
      this.#queries[at] = { text, answer: this.ask({ id, args: [text] }) };
    }
    return this.#queries[at].answer;
  }

  /**
   * @param {number} id
   * @param {Document} document
   */
  #verdict(id, { id: documentId }) {
    const verdicts = this.#verdicts.get(id);
    if (!verdicts) {
      this.#wantedVerdicts.add(id);
      throw NOT_YET;
    }
    return given(verdicts.get(documentId));
  }

  /**
   * @param {number} id
   * @param {number} score
   */
  #relevance(id, score) {
    const answer = this.#relevances.get(id)?.get(score);
    if (answer) return given(answer);
    const wanted = this.#wantedRelevances.get(id) ?? new Set();
    this.#wantedRelevances.set(id, wanted.add(score));
    throw NOT_YET;
  }

  async #askForWanted() {
    for (const id of this.#wantedVerdicts) this.#verdicts.set(id, await this.#askAboutDocuments(id));
    for (const [id, scores] of this.#wantedRelevances) {
      const relevances = this.#relevances.get(id) ?? new Map();
      this.#relevances.set(id, relevances);
      await this.#askEach(id, [...scores], 'number', (score, answer) => relevances.set(score, answer));
    }
  }

  /**
   * @param {number} id
   * @returns {Promise<Map<string, Answer>>}
   */
  async #askAboutDocuments(id) {
    const verdicts = new Map();
    /** @type {Document[]} */
    let page = [];
    let asked = Promise.resolve(true);
    // The next page is read while the calling thread is busy with one.
    const ask = async () => {
      if (!(await asked)) return false;
      asked = this.#askEach(id, page, 'boolean', (document, answer) => verdicts.set(document.id, answer));
      asked.catch(() => {});
      page = [];
      return true;
    };
    for await (const document of /** @type {import('./store.mjs').VectorStore} */ (this.#context.store)) {
      if (page.push(document) === PAGE && !(await ask())) return verdicts;
    }
    await ask();
    await asked;
    return verdicts;
  }

  /**
   * Asks a function about values, up to the first where it fails; whether it did not.
   *
   * @template T
   * @param {number} id
   * @param {T[]} items
   * @param {'boolean' | 'number'} each
   * @param {(item: T, answer: Answer) => void} take
   * @returns {Promise<boolean>}
   */
  async #askEach(id, items, each, take) {
    const { values, odd } = /** @type {Outcomes} */ (await this.ask({ id, args: items, each }));
    for (const [i, value] of values.entries()) take(items[i], { value });
    if (odd) take(items[values.length], this.#received(odd));
    return !odd;
  }

  async #takeTurn() {
    if (this.#hasTurn) return;
    await Promise.all(this.#contexts.map(({ turns }) => turns.take(this)));
    this.#hasTurn = true;
  }

  #passTurn() {
    if (!this.#hasTurn) return;
    this.#hasTurn = false;
    for (const { turns } of this.#contexts) turns.pass();
  }

  /** What still runs of the call waits for nothing that the store does: others may go on. */
  #passTurnSoon() {
    const turn = ++this.#turn;
    afterMicrotasks(() => {
      if (turn === this.#turn && !this.#keepsTurn) this.#passTurn();
    });
  }
}

/**
 * @param {Answer | undefined} answer
 * @returns {unknown}
 */
function given(answer) {
  if (!answer) throw new Error('the function was not asked about this');
  if ('thrown' in answer) throw answer.thrown;
  return answer.value;
}
