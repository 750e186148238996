// @ts-check
/** An IVFFlat index of the rows in FAISS's file layout, and its exact answers at an `nprobe`. */

/** @typedef {import('./exact.mjs').Hit} Hit */

/** As FAISS's default for IVF. */
const ROUNDS = 2;

/**
 * @param {ArrayLike<number>} a
 * @param {number} at
 * @param {ArrayLike<number>} b
 * @param {number} bt
 * @param {number} dim
 */
function l2(a, at, b, bt, dim) {
  let sum = 0;
  for (let i = 0; i < dim; i++) sum += (a[at + i] - b[bt + i]) ** 2;
  return sum;
}

export class Ivf {
  /** The rows of each list. @type {number[][]} */
  #lists;
  #centroids;
  #data;
  #dim;

  /**
   * @param {Float32Array} data
   * @param {number} dim
   * @param {Float32Array} centroids
   * @param {number[][]} lists
   */
  constructor(data, dim, centroids, lists) {
    this.#data = data;
    this.#dim = dim;
    this.#centroids = centroids;
    this.#lists = lists;
  }

  /**
   * Lloyd's algorithm from evenly spread rows; `nearest` tells the centroid nearest to each row.
   *
   * @param {Float32Array} data
   * @param {number} dim
   * @param {number} count
   * @param {(centroids: Float32Array) => Promise<number[]>} nearest
   */
  static async train(data, dim, count, nearest) {
    const rows = data.length / dim;
    const centroids = new Float32Array(count * dim);
    for (let list = 0; list < count; list++) {
      const row = Math.floor((list * rows) / count);
      centroids.set(data.subarray(row * dim, (row + 1) * dim), list * dim);
    }
    /** @type {number[][]} */
    let lists = [];
    for (let round = 0; round <= ROUNDS; round++) {
      lists = Array.from({ length: count }, () => []);
      for (const [row, list] of (await nearest(centroids)).entries()) lists[list].push(row);
      if (round === ROUNDS) break;
      for (const [list, members] of lists.entries()) {
        if (members.length === 0) continue;
        const centroid = centroids.subarray(list * dim, (list + 1) * dim).fill(0);
        for (const row of members) for (let i = 0; i < dim; i++) centroid[i] += data[row * dim + i] / members.length;
      }
    }
    return new Ivf(data, dim, centroids, lists);
  }

  /** The file, as FAISS writes an `IndexIVFFlat`. */
  bytes() {
    const [dim, lists, rows] = [this.#dim, this.#lists.length, this.#data.length / this.#dim];
    const header = 37;
    const length = 2 * header + 16 + 8 + 4 * lists * dim + 9 + 20 + 4 + 8 + 8 * lists + rows * (4 * dim + 8);
    const out = new DataView(new ArrayBuffer(length));
    const bytes = new Uint8Array(out.buffer);
    let at = 0;
    /** @param {string} text */
    const letters = (text) => [...text].forEach((letter) => out.setUint8(at++, letter.charCodeAt(0)));
    /** @param {number} number */
    const u64 = (number) => {
      out.setBigUint64(at, BigInt(number), true);
      at += 8;
    };
    /** @param {Float32Array} numbers */
    const floats = (numbers) => {
      bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), at);
      at += numbers.byteLength;
    };
    /** @param {string} name @param {number} count */
    const head = (name, count) => {
      letters(name);
      out.setInt32(at, dim, true);
      at += 4;
      [count, 1 << 20, 1 << 20].forEach(u64);
      out.setUint8(at, 1);
      out.setInt32(at + 1, 1, true);
      at += 5;
    };
    head('IwFl', rows);
    [lists, 1].forEach(u64);
    head('IxF2', lists);
    u64(lists * dim);
    floats(this.#centroids);
    at += 1;
    u64(0);
    letters('ilar');
    [lists, 4 * dim].forEach(u64);
    letters('full');
    u64(lists);
    this.#lists.forEach((members) => u64(members.length));
    for (const members of this.#lists) {
      for (const row of members) floats(this.#data.subarray(row * dim, (row + 1) * dim));
      members.forEach(u64);
    }
    if (at !== length) throw new Error(`${length} bytes expected, got ${at}`);
    return bytes;
  }

  /**
   * The nearest rows in the lists of the nearest centroids, in double precision.
   *
   * @param {Float32Array} query
   * @param {number} k
   * @param {number} nprobe
   * @returns {Hit[]}
   */
  nearest(query, k, nprobe) {
    const dim = this.#dim;
    /** @param {Hit[]} found @param {number} count */
    const best = (found, count) => found.sort((a, b) => a.score - b.score || a.row - b.row).slice(0, count);
    const lists = this.#lists.map((_, row) => ({ row, score: l2(query, 0, this.#centroids, row * dim, dim) }));
    const rows = best(lists, nprobe).flatMap(({ row: list }) => this.#lists[list]);
    return best(rows.map((row) => ({ row, score: l2(query, 0, this.#data, row * dim, dim) })), k);
  }
}
