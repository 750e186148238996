// @ts-check
/** Exact search as one writes it in plain JavaScript, in a few ways: which is the fastest differs between engines. */

/** @typedef {import('./exact.mjs').Hit} Hit */
/** @typedef {import('./exact.mjs').Metric} Metric */

/** The best so far, best first; a lower key is better. */
class Best {
  /** A row gets in below this. */
  limit = Infinity;
  /** @type {{ row: number, key: number }[]} */
  #rows = [];
  #k;

  /** @param {number} k */
  constructor(k) {
    this.#k = k;
  }

  /**
   * @param {number} row
   * @param {number} key
   */
  insert(row, key) {
    const rows = this.#rows;
    if (rows.length === this.#k) rows.pop();
    let at = rows.length;
    while (at > 0 && rows[at - 1].key > key) at--;
    rows.splice(at, 0, { row, key });
    if (rows.length === this.#k) this.limit = rows[rows.length - 1].key;
  }

  /**
   * @param {number} sign
   * @returns {Hit[]}
   */
  hits(sign) {
    return this.#rows.map(({ row, key }) => ({ row, score: sign * key }));
  }
}

/** @typedef {(query: Float32Array, data: Float32Array, factors: Float64Array, best: Best) => void} Loop */

/** @type {Record<string, { l2: Loop, product: Loop }>} */
const LOOPS = {
  'one sum': {
    l2(query, data, _, best) {
      const dim = query.length;
      for (let row = 0, at = 0; at < data.length; row++) {
        let sum = 0;
        for (let i = 0; i < dim; i++, at++) {
          const x = query[i] - data[at];
          sum += x * x;
        }
        if (sum < best.limit) best.insert(row, sum);
      }
    },
    product(query, data, factors, best) {
      const dim = query.length;
      for (let row = 0, at = 0; at < data.length; row++) {
        let sum = 0;
        for (let i = 0; i < dim; i++, at++) sum += query[i] * data[at];
        const key = -sum * factors[row];
        if (key < best.limit) best.insert(row, key);
      }
    },
  },
  'four sums': {
    l2(query, data, _, best) {
      const dim = query.length;
      const fours = dim - (dim % 4);
      for (let row = 0, at = 0; at < data.length; row++) {
        let a = 0;
        let b = 0;
        let c = 0;
        let d = 0;
        let i = 0;
        for (; i < fours; i += 4, at += 4) {
          const w = query[i] - data[at];
          const x = query[i + 1] - data[at + 1];
          const y = query[i + 2] - data[at + 2];
          const z = query[i + 3] - data[at + 3];
          a += w * w;
          b += x * x;
          c += y * y;
          d += z * z;
        }
        for (; i < dim; i++, at++) {
          const x = query[i] - data[at];
          a += x * x;
        }
        const sum = a + b + (c + d);
        if (sum < best.limit) best.insert(row, sum);
      }
    },
    product(query, data, factors, best) {
      const dim = query.length;
      const fours = dim - (dim % 4);
      for (let row = 0, at = 0; at < data.length; row++) {
        let a = 0;
        let b = 0;
        let c = 0;
        let d = 0;
        let i = 0;
        for (; i < fours; i += 4, at += 4) {
          a += query[i] * data[at];
          b += query[i + 1] * data[at + 1];
          c += query[i + 2] * data[at + 2];
          d += query[i + 3] * data[at + 3];
        }
        for (; i < dim; i++, at++) a += query[i] * data[at];
        const key = -(a + b + (c + d)) * factors[row];
        if (key < best.limit) best.insert(row, key);
      }
    },
  },
  'four sums of single precision': {
    l2(query, data, _, best) {
      const { fround } = Math;
      const dim = query.length;
      const fours = dim - (dim % 4);
      for (let row = 0, at = 0; at < data.length; row++) {
        let a = fround(0);
        let b = fround(0);
        let c = fround(0);
        let d = fround(0);
        let i = 0;
        for (; i < fours; i += 4, at += 4) {
          const w = fround(query[i] - data[at]);
          const x = fround(query[i + 1] - data[at + 1]);
          const y = fround(query[i + 2] - data[at + 2]);
          const z = fround(query[i + 3] - data[at + 3]);
          a = fround(a + fround(w * w));
          b = fround(b + fround(x * x));
          c = fround(c + fround(y * y));
          d = fround(d + fround(z * z));
        }
        for (; i < dim; i++, at++) {
          const x = fround(query[i] - data[at]);
          a = fround(a + fround(x * x));
        }
        const sum = a + b + (c + d);
        if (sum < best.limit) best.insert(row, sum);
      }
    },
    product(query, data, factors, best) {
      const { fround } = Math;
      const dim = query.length;
      const fours = dim - (dim % 4);
      for (let row = 0, at = 0; at < data.length; row++) {
        let a = fround(0);
        let b = fround(0);
        let c = fround(0);
        let d = fround(0);
        let i = 0;
        for (; i < fours; i += 4, at += 4) {
          a = fround(a + fround(query[i] * data[at]));
          b = fround(b + fround(query[i + 1] * data[at + 1]));
          c = fround(c + fround(query[i + 2] * data[at + 2]));
          d = fround(d + fround(query[i + 3] * data[at + 3]));
        }
        for (; i < dim; i++, at++) a = fround(a + fround(query[i] * data[at]));
        const key = -(a + b + (c + d)) * factors[row];
        if (key < best.limit) best.insert(row, key);
      }
    },
  },
};

export const LOOP_NAMES = Object.keys(LOOPS);

/** Rows, ready to be searched by a loop. */
export class PlainRows {
  #data;
  /** What products are multiplied by. @type {Record<'ip' | 'cosine', Float64Array>} */
  #factors;

  /**
   * @param {Float32Array} data
   * @param {number} dim
   */
  constructor(data, dim) {
    this.#data = data;
    const rows = data.length / dim;
    const cosine = Float64Array.from({ length: rows }, (_, row) => 1 / norm(data.subarray(row * dim, (row + 1) * dim)));
    this.#factors = { ip: new Float64Array(rows).fill(1), cosine };
  }

  /**
   * @param {string} loop one of {@link LOOP_NAMES}
   * @param {Metric} metric
   * @param {Float32Array} query
   * @param {number} k
   */
  search(loop, metric, query, k) {
    const best = new Best(k);
    if (metric === 'l2') {
      LOOPS[loop].l2(query, this.#data, this.#factors.ip, best);
      return best.hits(1);
    }
    LOOPS[loop].product(query, this.#data, this.#factors[metric], best);
    return best.hits(metric === 'cosine' ? -1 / norm(query) : -1);
  }
}

/** @param {Float32Array} vector */
function norm(vector) {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}
