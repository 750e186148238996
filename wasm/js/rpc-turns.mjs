// @ts-check
// One call of a store at a time.

/**
 * Gives calls their turns, first come, first served.
 *
 * @template {object} Call
 */
export class Turns {
  /** The call whose turn it is. @type {Call | undefined} */
  current;
  /** @type {{ call: Call, resolve: () => void, reject: (reason: unknown) => void }[]} */
  #waiting = [];

  /**
   * Resolves when it is the call's turn, which lasts until it passes it on.
   *
   * @param {Call} call
   * @returns {Promise<void>}
   */
  take(call) {
    return new Promise((resolve, reject) => {
      if (this.current) {
        this.#waiting.push({ call, resolve, reject });
      } else {
        this.current = call;
        resolve();
      }
    });
  }

  pass() {
    const next = this.#waiting.shift();
    this.current = next?.call;
    next?.resolve();
  }

  /**
   * Ends the waiting of a call.
   *
   * @param {Call} call
   * @param {unknown} reason
   */
  withdraw(call, reason) {
    const own = this.#waiting.filter((entry) => entry.call === call);
    this.#waiting = this.#waiting.filter((entry) => entry.call !== call);
    for (const { reject } of own) reject(reason);
  }
}

const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const tasks = [];
port2.onmessage = () => tasks.shift()?.();

/**
 * Runs a task once everything has run that waits for nothing but what is settled already.
 *
 * @param {() => void} task
 */
export function afterMicrotasks(task) {
  tasks.push(task);
  port1.postMessage(null);
}
