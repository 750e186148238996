// @ts-check
/** Looks behind the package: hands what the module imports to `change` before it is started, and its exports on. */

/** @typedef {Record<string, any>} Functions */

/**
 * @param {(imports: Functions) => void} [change] given the functions that the module imports, by their names in JavaScript
 * @returns {{ exports?: Functions }} with the exports once the module is started
 */
export function watchModule(change) {
  const seen = /** @type {{ exports?: Functions }} */ ({});
  const { instantiate } = WebAssembly;
  /** @type {any} */ (WebAssembly).instantiate = async (/** @type {any} */ module, /** @type {any} */ imports) => {
    const names = module instanceof WebAssembly.Module ? WebAssembly.Module.exports(module).map(({ name }) => name) : [];
    if (!names.some((name) => name.startsWith('vectorstore_'))) return instantiate(module, imports);
    for (const functions of Object.values(imports)) change?.(functions);
    const instance = await instantiate(module, imports);
    seen.exports = instance.exports;
    return instance;
  };
  return seen;
}

/**
 * Wraps the function that is imported under a name.
 *
 * @param {Functions} imports
 * @param {string} name
 * @param {(original: Function) => Function} wrap
 */
export function wrapImport(imports, name, wrap) {
  const key = Object.keys(imports).find((key) => key.startsWith(`__wbg_${name}_`));
  if (key !== undefined) imports[key] = wrap(imports[key]);
  return key !== undefined;
}
