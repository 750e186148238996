// @ts-check
/** A WebAssembly loop that reads rows and does nothing else: no search of all rows can be faster. */

/**
 * Ways to read: so many sums, in one stream or in four; four streams in the quarters of all rows, or in four rows side by
 * side. The widest is 16 sums of 16 bytes.
 */
export const SUMS = [4, 8, 16];
export const STREAMS = [1, 4];
const WIDEST = 16 * 16 * 4;

/** @typedef {(at: number, bytes: number, blocks: number) => number} Read */

/** Numbers in a memory of their own, and ways to read all of them. */
export class Reading {
  #total;
  /** Names of the ways, as {@link Reading.read} takes them. @type {string[]} */
  ways = [];
  /** @type {Map<string, () => number>} */
  #reads = new Map();

  /**
   * @param {BufferSource} module what `assemble` made
   * @param {Float32Array} data
   * @param {number} dim
   * @returns {Promise<Reading>}
   */
  static async of(module, data, dim) {
    const { instance } = await WebAssembly.instantiate(module);
    return new Reading(instance, data, dim);
  }

  /**
   * @param {WebAssembly.Instance} instance
   * @param {Float32Array} data
   * @param {number} dim
   */
  constructor({ exports }, data, dim) {
    const memory = /** @type {WebAssembly.Memory} */ (exports.memory);
    // Zeros at the end, so that every way reads whole steps.
    const bytes = Math.ceil(data.byteLength / WIDEST) * WIDEST;
    memory.grow(Math.ceil(bytes / 65_536));
    new Float32Array(memory.buffer).set(data);
    this.#total = new Int32Array(data.buffer, data.byteOffset, data.length).reduce((sum, x) => (sum + x) | 0, 0);
    for (const streams of STREAMS) {
      for (const sums of SUMS) {
        const read = /** @type {Read} */ (exports[`read_${sums}_${streams}`]);
        const name = `${sums} sums, ${streams === 1 ? '1 stream' : `${streams} streams`}`;
        this.#add(name, () => read(0, bytes / streams, 1));
        const row = dim * 4;
        if (streams > 1 && row % ((16 * sums) / streams) === 0 && (data.byteLength / row) % streams === 0) {
          this.#add(`${name} by rows`, () => read(0, row, data.byteLength / row / streams));
        }
      }
    }
  }

  /**
   * @param {string} name
   * @param {() => number} read
   */
  #add(name, read) {
    this.ways.push(name);
    this.#reads.set(name, read);
  }

  /**
   * Reads everything and gives the sum of it, as 32-bit integers.
   *
   * @param {string} way
   */
  read(way) {
    const read = this.#reads.get(way);
    if (!read) throw new Error(`no way to read: ${way}`);
    return read();
  }

  /** What {@link Reading.read} must give. */
  get total() {
    return this.#total;
  }
}
