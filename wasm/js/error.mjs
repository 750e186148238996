// @ts-check

/** What can go wrong. See `index.d.ts`. */
export class VectorStoreError extends Error {
  /**
   * @param {string} message
   * @param {string} code
   * @param {ErrorOptions} [options]
   */
  constructor(message, code, options) {
    super(message, options);
    /** @readonly */
    this.code = code;
  }
}

Object.defineProperty(VectorStoreError.prototype, 'name', {
  value: 'VectorStoreError',
  configurable: true,
  writable: true,
});
