// @ts-check
// Writes a model's folder again with its weights in half precision (f16), for pages: half the size, and vectors that are 5e-4 off at most.
//
//   node scripts/model-f16.mjs .cache/all-MiniLM-L6-v2 site/models/all-MiniLM-L6-v2
//
// The folder is one of sentence-transformers; of its files only those that embedding needs are written. Every f32 tensor of `model.safetensors`
// becomes f16, rounded to nearest, ties to even; others stay as they are. Numbers beyond f16's range (65,504) are an error, and nothing is written.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED = ['config.json', 'tokenizer.json'];
const OPTIONAL = ['modules.json', 'sentence_bert_config.json', '1_Pooling/config.json'];
const WEIGHTS = 'model.safetensors';

/** @typedef {{ dtype: string, shape: number[], data_offsets: [number, number] }} Tensor */

/**
 * Half-precision bits of every number.
 *
 * @param {Float32Array} numbers
 * @returns {Uint16Array}
 */
export function toHalf(numbers) {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  return Uint16Array.from(bits, halfOf);
}

/** @param {number} bits of an f32 */
function halfOf(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00; // NaN
  // 65,520 and above round to infinity.
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  // Below 2^-14 there are multiples of 2^-24 only.
  const exponent = magnitude >>> 23;
  if (exponent < 113) {
    const shift = 126 - exponent;
    if (shift > 24) return sign;
    return sign | rounded((magnitude & 0x7f_ffff) | 0x80_0000, shift);
  }
  return sign | rounded(magnitude - (112 << 23), 13);
}

/**
 * A number without its last bits, rounded to nearest, ties to even.
 *
 * @param {number} bits
 * @param {number} shift
 */
function rounded(bits, shift) {
  const half = 1 << (shift - 1);
  const rest = bits & ((1 << shift) - 1);
  const whole = bits >>> shift;
  return rest > half || (rest === half && whole & 1) ? whole + 1 : whole;
}

/**
 * A safetensors file with its f32 tensors in f16.
 *
 * @param {Uint8Array} file
 * @returns {Uint8Array}
 */
export function halved(file) {
  const { header, data } = parsed(file);
  const { __metadata__, ...tensors } = header;
  /** @type {Record<string, unknown>} */
  const described = __metadata__ === undefined ? {} : { __metadata__ };
  /** @type {Uint8Array[]} */
  const parts = [];
  let end = 0;
  const inOrder = Object.entries(tensors).sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of inOrder) {
    const bytes = data.subarray(from, to);
    const part = dtype === 'F32' ? halfBytes(name, bytes) : bytes;
    described[name] = { dtype: dtype === 'F32' ? 'F16' : dtype, shape, data_offsets: [end, (end += part.length)] };
    parts.push(part);
  }
  // Filled up with spaces, so that the numbers begin at a multiple of 8.
  const json = JSON.stringify(described);
  const text = Buffer.from(json.padEnd(json.length + ((8 - (Buffer.byteLength(json) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}

/**
 * @param {Uint8Array} file
 * @returns {{ header: Record<string, Tensor> & { __metadata__?: any }, data: Uint8Array }}
 */
function parsed(file) {
  const broken = (/** @type {string} */ why) => new Error(`${WEIGHTS} is no safetensors file: ${why}`);
  if (file.length < 8) throw broken(`it has ${file.length} bytes`);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(file.length - 8)) throw broken(`it has ${file.length} bytes, and says that ${length} describe the rest`);
  const data = file.subarray(8 + Number(length));
  let header;
  try {
    header = JSON.parse(Buffer.from(file.subarray(8, 8 + Number(length))).toString());
  } catch (cause) {
    throw new Error(broken('what describes it is no JSON').message, { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw broken('what describes it is no object');
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [from, to] = tensor?.data_offsets ?? [];
    const isWithin = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to && to <= data.length;
    if (!isWithin) throw broken(`tensor ${name} lies outside its ${data.length} bytes`);
    if (tensor.dtype === 'F32' && (to - from) % 4 !== 0) throw broken(`tensor ${name} has ${to - from} bytes, and its numbers take 4 each`);
  }
  return { header, data };
}

/**
 * @param {string} name
 * @param {Uint8Array} bytes
 */
function halfBytes(name, bytes) {
  // A copy lies where numbers may lie.
  const numbers = new Float32Array(new Uint8Array(bytes).buffer);
  const beyond = numbers.findIndex((number) => Math.abs(number) >= 65_520);
  if (beyond >= 0) throw new Error(`tensor ${name} has ${numbers[beyond]}, which is beyond f16`);
  const halves = toHalf(numbers);
  return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
}

/**
 * @param {string} from
 * @param {string} to
 */
export async function writeHalved(from, to) {
  if (resolve(from) === resolve(to)) throw new Error(`${to} is the model itself: expected another folder`);
  const weights = halved(await readFile(join(from, WEIGHTS)));
  for (const name of [...NEEDED, ...OPTIONAL]) {
    const content = await readFile(join(from, name)).catch((error) => {
      if (error.code === 'ENOENT' && OPTIONAL.includes(name)) return undefined;
      throw error;
    });
    if (content === undefined) continue;
    await mkdir(dirname(join(to, name)), { recursive: true });
    await writeFile(join(to, name), content);
  }
  // Last, and at once: where the weights are, the rest is.
  await writeFile(join(to, `${WEIGHTS}.part`), weights);
  await rename(join(to, `${WEIGHTS}.part`), join(to, WEIGHTS));
  return weights.length;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [from, to, ...more] = process.argv.slice(2);
  if (from === undefined || to === undefined || more.length > 0) {
    console.error('usage: node scripts/model-f16.mjs MODEL_FOLDER NEW_FOLDER');
    process.exit(2);
  }
  try {
    console.log(`${join(to, WEIGHTS)}: ${await writeHalved(from, to)} bytes`);
  } catch (error) {
    console.error(`model-f16: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}
