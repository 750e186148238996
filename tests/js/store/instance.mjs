// @ts-check
/** Looks behind the package: at what its module imports, before it is started, and at what it exports. */

/** @typedef {Record<string, Function>} Functions */

/**
 * @param {(imports: Functions) => void} [change] given what the module imports from the package's own
 * JavaScript
 * @returns {{ exports?: Record<string, any> }} with the exports once the module is started
 */
export function watchModule(change) {
  const seen = /** @type {{ exports?: Record<string, any> }} */ ({});
  const instantiate = /** @type {Function} */ (WebAssembly.instantiate);
  /** @type {any} */ (WebAssembly).instantiate = async (
    /** @type {any} */ module,
    /** @type {any} */ imports,
  ) => {
    const own = imports?.['./glue-support.mjs'];
    if (own === undefined) return instantiate(module, imports);
    const copy = { ...own };
    change?.(copy);
    const instance = await instantiate(module, { ...imports, './glue-support.mjs': copy });
    seen.exports = instance.exports;
    return instance;
  };
  return seen;
}
