// @ts-check
/** Times that can be compared on a machine that does other things too: the sides take turns, and medians are compared. */

/**
 * Milliseconds.
 *
 * @typedef {object} Times
 * @property {number} least
 * @property {number} low a tenth took less
 * @property {number} median
 * @property {number} high a tenth took more
 */

/**
 * What is timed, and what is not.
 *
 * @template T
 * @typedef {object} Side
 * @property {(round: number) => T | Promise<T>} run
 * @property {(answer: T, round: number) => void | Promise<void>} [after] looks at the answer and gives back what it holds
 */

/**
 * Runs the sides one after another, A B C A B C. Rounds to warm up are checked and not counted.
 *
 * @template {Record<string, Side<any>>} S
 * @param {S} sides
 * @param {{ warmUp: number, rounds: number, before?: () => void | Promise<void> }} options `before` comes before each
 *   timed run
 * @returns {Promise<Record<keyof S, Times>>}
 */
export async function takeTurns(sides, { warmUp, rounds, before }) {
  const times = Object.keys(sides).map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [i, { run, after }] of Object.values(sides).entries()) {
      await before?.();
      const start = performance.now();
      const answer = await run(round);
      const time = performance.now() - start;
      if (round >= warmUp) times[i].push(time);
      await after?.(answer, round);
    }
  }
  const entries = Object.keys(sides).map((name, i) => [name, summary(times[i])]);
  return /** @type {Record<keyof S, Times>} */ (Object.fromEntries(entries));
}

/**
 * @param {number[]} times
 * @returns {Times}
 */
function summary(times) {
  times.sort((a, b) => a - b);
  /** @param {number} part */
  const at = (part) => times[Math.round(part * (times.length - 1))];
  return { least: at(0), low: at(0.1), median: at(0.5), high: at(0.9) };
}

/**
 * The name of the side with the least median.
 *
 * @template {string} N
 * @param {Record<N, Times>} times
 */
export function fastest(times) {
  const names = /** @type {N[]} */ (Object.keys(times));
  return names.reduce((best, name) => (times[name].median < times[best].median ? name : best));
}

/** @param {Times} times */
export function inWords({ least, low, median, high }) {
  const [a, b, c, d] = [median, low, high, least].map((time) => time.toFixed(time < 10 ? 2 : 1));
  return `${a} (${b} to ${c}, least ${d})`;
}
