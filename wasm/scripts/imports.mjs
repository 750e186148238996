// @ts-check
// Gives the functions that a module imports short names. wasm-bindgen's carry hashes, which do not compress, twice: in the module and in the glue.

/** Numbers as WebAssembly writes them: unsigned LEB128. @param {number} value */
function leb(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function reader(bytes) {
  let at = 0;
  return {
    get at() {
      return at;
    },
    done: () => at >= bytes.length,
    byte: () => bytes[at++],
    number() {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        value += (byte & 127) * 2 ** shift;
        if (byte < 128) return value;
      }
    },
    /** @param {number} length */
    take(length) {
      return bytes.subarray(at, (at += length));
    },
  };
}

const IMPORTS = 2;
const FUNCTION = 0;
const HASHED = /^__wb.*_[0-9a-f]{16}$/;

/**
 * @param {Uint8Array<ArrayBuffer>} module
 * @param {string} glue
 * @returns {{ module: Uint8Array, glue: string }}
 */
export function shortenImports(module, glue) {
  /** @type {Map<string, string>} */
  const names = new Map();
  const sections = reader(module.subarray(8));
  const out = [module.subarray(0, 8)];
  while (!sections.done()) {
    const id = sections.byte();
    const content = sections.take(sections.number());
    const rewritten = id === IMPORTS ? rewrite(content, names) : content;
    out.push(new Uint8Array([id, ...leb(rewritten.length)]), rewritten);
  }
  for (const [long, short] of names) glue = glue.replaceAll(new RegExp(`\\b${long}\\b`, 'g'), () => short);
  return { module: Buffer.concat(out), glue };
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {Map<string, string>} names
 */
function rewrite(content, names) {
  const from = reader(content);
  const count = from.number();
  const out = [new Uint8Array(leb(count))];
  for (let i = 0; i < count; i++) {
    const place = from.take(from.number());
    const name = Buffer.from(from.take(from.number())).toString();
    const start = from.at;
    const kind = from.byte();
    if (kind !== FUNCTION) throw new Error(`imports of functions expected, got kind ${kind} of ${name}`);
    from.number();
    // Others are the names of functions in our own modules.
    const short = HASHED.test(name) ? (names.get(name) ?? `$${names.size.toString(36)}`) : name;
    if (short !== name) names.set(name, short);
    out.push(new Uint8Array([...leb(place.length), ...place, ...leb(short.length), ...Buffer.from(short)]));
    out.push(content.subarray(start, from.at));
  }
  return Buffer.concat(out);
}
