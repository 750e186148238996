// @ts-check
/** Bytes to save, in Node and in browsers, that tell which version they are and whether they are whole. */

/**
 * A version's words: its number, how many words there are, and a pattern that both and the place decide.
 *
 * @param {number} version
 * @param {number} count
 */
function wordsOf(version, count) {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = Math.imul(i, 0x9e3779b1) ^ Math.imul(version, 0x85ebca6b);
  words.set([version, count]);
  return words;
}

/**
 * The chunks of a version: several, of unlike lengths, one of them empty.
 *
 * @param {number} version
 * @param {number} [length] a multiple of 4, at least 16
 */
export function contentOf(version, length = 1 << 16) {
  const bytes = new Uint8Array(wordsOf(version, length / 4).buffer);
  const cuts = [0, 3, 3, Math.floor(length / 3), length - 5, length];
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

/**
 * The version that bytes are of; an error if they are not exactly those of one version.
 *
 * @param {Uint8Array} bytes
 */
export function versionOf(bytes) {
  const [version = 0, count = 0] = new Uint32Array(bytes.slice(0, 8).buffer);
  if (count * 4 !== bytes.length) throw new Error(`version ${version} is of ${count * 4} bytes, not ${bytes.length}`);
  const found = new Uint32Array(bytes.slice().buffer);
  const different = wordsOf(version, count).findIndex((word, i) => word !== found[i]);
  if (different >= 0) throw new Error(`version ${version} is not whole: word ${different} of ${count} differs`);
  return version;
}

/**
 * A chunk that does something when a save comes to it.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {() => void} act
 */
export function trap(bytes, act) {
  const trapped = new Uint8Array(bytes);
  trapped.subarray = (start, end) => {
    act();
    return bytes.subarray(start, end);
  };
  return trapped;
}

/**
 * All of what was saved.
 *
 * @param {import('../../../wasm/js/storage.mjs').Saved} saved
 */
export async function readAll(saved) {
  const bytes = new Uint8Array(await new Response(saved.stream()).arrayBuffer());
  if (bytes.length !== saved.size) throw new Error(`${bytes.length} bytes came, ${saved.size} were promised`);
  return bytes;
}
