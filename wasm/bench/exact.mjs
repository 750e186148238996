// @ts-check
/** The exact answers, by plain JavaScript in double precision, and whether other answers agree with them. */

/** @typedef {'l2' | 'ip' | 'cosine'} Metric */
/** @typedef {{ row: number, score: number }} Hit */

/** @type {readonly Metric[]} */
export const METRICS = ['l2', 'ip', 'cosine'];

/** How many neighbours are asked for. */
export const K = 10;

/** Half the distance between 1 and the next number of single precision. */
const ROUNDING = 2 ** -24;

/** Exact search in rows of `dim` numbers. */
export class Exact {
  #data;
  #dim;
  /** @type {Map<string, Hit[]>} */
  #known = new Map();

  /**
   * @param {Float32Array} data
   * @param {number} dim
   */
  constructor(data, dim) {
    this.#data = data;
    this.#dim = dim;
  }

  /**
   * What is wrong with an answer; empty if nothing is. A hit may stand where another should only if their exact scores
   * differ by no more than rounding.
   *
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {readonly Hit[]} hits
   * @param {string} key a name for the query
   */
  faults(metric, query, hits, key) {
    const expected = this.#nearest(metric, query, key);
    const faults = [];
    if (hits.length !== expected.length || new Set(hits.map(({ row }) => row)).size !== hits.length) {
      faults.push(`${expected.length} different rows expected, got ${hits.map(({ row }) => row).join(', ')}`);
    }
    for (const [rank, { row, score }] of hits.slice(0, expected.length).entries()) {
      const actual = this.#compare(metric, query, row);
      const best = this.#compare(metric, query, expected[rank].row);
      if (!(Math.abs(actual.score - best.score) <= actual.error + best.error)) {
        faults.push(`rank ${rank}: row ${expected[rank].row} of ${best.score} expected, got row ${row} of ${actual.score}`);
      } else if (!(Math.abs(score - actual.score) <= actual.error)) {
        faults.push(`rank ${rank}, row ${row}: a score of ${actual.score} expected, got ${score}`);
      }
    }
    return faults.map((fault) => `${metric}, query ${key}, ${fault}`);
  }

  /**
   * The share of the nearest rows that an answer has. A row that differs from the last of these by no more than rounding
   * is as good as it.
   *
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {readonly Hit[]} hits different rows
   * @param {string} key a name for the query
   */
  recall(metric, query, hits, key) {
    const expected = this.#nearest(metric, query, key);
    const last = this.#compare(metric, query, expected[expected.length - 1].row);
    const near = hits.filter(({ row }) => {
      const { score, error } = this.#compare(metric, query, row);
      const behind = metric === 'l2' ? score - last.score : last.score - score;
      return behind <= error + last.error;
    });
    return Math.min(near.length, expected.length) / expected.length;
  }

  /**
   * Whether the scores of an answer are those of its rows, whatever rows it has.
   *
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {readonly Hit[]} hits
   */
  scoresHold(metric, query, hits) {
    return hits.every(({ row, score }) => {
      const actual = this.#compare(metric, query, row);
      return Math.abs(score - actual.score) <= actual.error;
    });
  }

  /**
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {string} key
   */
  #nearest(metric, query, key) {
    const known = this.#known.get(`${metric} ${key}`);
    if (known) return known;
    const sign = metric === 'l2' ? 1 : -1;
    /** @type {Hit[]} */
    const best = [];
    const rows = this.#data.length / this.#dim;
    for (let row = 0; row < rows; row++) {
      const { score } = this.#compare(metric, query, row);
      if (best.length === K && !(sign * score < sign * best[K - 1].score)) continue;
      if (best.length === K) best.pop();
      let at = best.length;
      while (at > 0 && sign * score < sign * best[at - 1].score) at--;
      best.splice(at, 0, { row, score });
    }
    this.#known.set(`${metric} ${key}`, best);
    return best;
  }

  /**
   * The score of a row, and how far single precision may be from it.
   *
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {number} row
   */
  #compare(metric, query, row) {
    const [data, dim] = [this.#data, this.#dim];
    let [squares, product, size, queryNorm, rowNorm] = [0, 0, 0, 0, 0];
    for (let i = 0, at = row * dim; i < dim; i++, at++) {
      const [a, b] = [query[i], data[at]];
      squares += (a - b) * (a - b);
      product += a * b;
      size += Math.abs(a * b);
      queryNorm += a * a;
      rowNorm += b * b;
    }
    const relative = (dim + 8) * ROUNDING;
    if (metric === 'l2') return { score: squares, error: relative * squares };
    const norms = metric === 'cosine' ? Math.sqrt(queryNorm * rowNorm) : 1;
    return { score: product / norms, error: (relative * (size + Math.abs(product))) / norms };
  }
}
