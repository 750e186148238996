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
 * @property {number} cpu the median of the time that the processor worked; 0 where that is not told
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
 * @param {{ warmUp: number, rounds: number, before?: () => void | Promise<void>, cpu?: () => number }} options `before`
 *   comes before each timed run; `cpu` tells for how long the processor has worked for this process
 * @returns {Promise<Record<keyof S, Times>>}
 */
export async function takeTurns(sides, { warmUp, rounds, before, cpu = () => 0 }) {
  const names = Object.keys(sides);
  const times = names.map(() => /** @type {number[]} */ ([]));
  const works = names.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [i, { run, after }] of Object.values(sides).entries()) {
      await before?.();
      const worked = cpu();
      const start = performance.now();
      const answer = await run(round);
      const time = performance.now() - start;
      if (round >= warmUp) {
        times[i].push(time);
        works[i].push(cpu() - worked);
      }
      await after?.(answer, round);
    }
  }
  const entries = names.map((name, i) => [name, summary(times[i], works[i])]);
  return /** @type {Record<keyof S, Times>} */ (Object.fromEntries(entries));
}

/**
 * @param {number[]} times
 * @param {number[]} works
 * @returns {Times}
 */
function summary(times, works) {
  /** @param {number[]} list @param {number} part */
  const at = (list, part) => list.sort((a, b) => a - b)[Math.round(part * (list.length - 1))];
  return { least: at(times, 0), low: at(times, 0.1), median: at(times, 0.5), high: at(times, 0.9), cpu: at(works, 0.5) };
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
