// @ts-check
/** Contestants side by side: a process for each, which build one after another and then search by turns. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { messageOf } from './words.mjs';

/** @typedef {import('./contestants.mjs').Contestant} Contestant */
/** @typedef {import('./process.mjs').Built} Built */
/** @typedef {import('./process.mjs').Found} Found */
/** @typedef {import('./process.mjs').Order} Order */

/**
 * What all processes are given.
 *
 * @typedef {object} Setting
 * @property {string} folder where the rows and the queries lie
 * @property {number} dim
 * @property {number} queries how many there are
 * @property {string} packageRoot where twindex lies
 * @property {number} limit seconds that an order may take
 */

/** @typedef {{ built: Built, found: Found[] }} Played what came of one contestant; `found` in the order of the queries */

const PROCESS = fileURLToPath(new URL('process.mjs', import.meta.url));
/** Queries that one contestant answers before it is the next one's turn. */
const TURN = 10;

/** A contestant that could not be measured. */
export class Failed extends Error {
  /** @override */
  name = 'Failed';

  /**
   * @param {string} contestant its name
   * @param {string} reason
   */
  constructor(contestant, reason) {
    super(reason);
    this.contestant = contestant;
  }
}

/** A contestant's process. */
class Player {
  #name;
  #child;
  #limit;
  /** What it wrote when it failed. */
  #written = '';

  /**
   * @param {Contestant} contestant
   * @param {Setting} setting
   */
  constructor({ name, flags = [] }, { folder, dim, packageRoot, limit }) {
    this.#name = name;
    this.#limit = limit;
    this.#child = fork(PROCESS, [name, folder, `${dim}`, packageRoot], {
      execArgv: flags,
      serialization: 'advanced',
      // What packages say is no part of the report.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (text) => (this.#written = `${this.#written}${text}`.slice(-10_000)));
  }

  /**
   * @param {Order} order
   * @returns {Promise<any>} what came of it; {@link Failed} if nothing did
   */
  async order(order) {
    const child = this.#child;
    const done = new AbortController();
    const { signal } = done;
    try {
      if (child.exitCode !== null || child.signalCode !== null) throw this.#ended();
      const answer = once(child, 'message', { signal });
      const exit = once(child, 'exit', { signal }).then(() => Promise.reject(this.#ended()));
      const late = sleep(this.#limit * 1000, undefined, { signal }).then(() =>
        Promise.reject(new Error(`not ready after ${this.#limit} s`)),
      );
      child.send(order);
      const [{ result, error }] = await Promise.race([answer, exit, late]);
      if (error !== undefined) throw new Error(error);
      return result;
    } catch (error) {
      throw new Failed(this.#name, /** @type {Error} */ (error).message);
    } finally {
      done.abort();
    }
  }

  #ended() {
    const { signalCode, exitCode } = this.#child;
    return new Error(`its process ended with ${signalCode ?? exitCode}: ${messageOf(this.#written)}`);
  }

  end() {
    this.#child.kill();
  }
}

/**
 * Lets contestants build and search.
 *
 * @param {readonly Contestant[]} contestants
 * @param {Setting} setting
 * @returns {Promise<Played[]>} in their order
 */
export async function play(contestants, setting) {
  /** @type {Player[]} */
  const players = [];
  try {
    const played = [];
    for (const contestant of contestants) {
      const player = new Player(contestant, setting);
      players.push(player);
      played.push({ built: await player.order('build'), found: /** @type {Found[]} */ ([]) });
    }
    const turns = Math.ceil(setting.queries / TURN);
    // The first turn warms up, and comes again.
    for (let turn = -1; turn < turns; turn++) {
      const first = Math.max(turn, 0) * TURN;
      const numbers = Array.from({ length: Math.min(TURN, setting.queries - first) }, (_, i) => first + i);
      for (const [i, player] of players.entries()) {
        const found = await player.order(numbers);
        if (turn >= 0) played[i].found.push(...found);
      }
    }
    return played;
  } finally {
    for (const player of players) player.end();
  }
}
