// Weights of half the size: the f32 tensors of a safetensors file as f16.

/**
 * @param {Uint8Array} file a safetensors file
 * @returns {Uint8Array} the same with its F32 tensors as F16, rounded to the nearest
 */
export function halve(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  /** @type {Record<string, { dtype: string, shape: number[], data_offsets: [number, number] }>} */
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength)));
  const { __metadata__, ...tensors } = header;
  const data = file.subarray(8 + headerLength);
  const parts = [];
  const written = /** @type {Record<string, unknown>} */ (__metadata__ === undefined ? {} : { __metadata__ });
  let at = 0;
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(tensors)) {
    const halved = dtype === 'F32';
    const part = halved ? toHalf(data.subarray(start, end)) : data.subarray(start, end);
    written[name] = { dtype: halved ? 'F16' : dtype, shape, data_offsets: [at, at + part.length] };
    parts.push(part);
    at += part.length;
  }
  const text = JSON.stringify(written);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const out = new Uint8Array(8 + head.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  let place = 8 + head.length;
  for (const part of parts) {
    out.set(part, place);
    place += part.length;
  }
  return out;
}

/** @param {Uint8Array} bytes f32, little endian */
function toHalf(bytes) {
  const floats = new Uint32Array(new Uint8Array(bytes).buffer);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < floats.length; i++) halves[i] = half(floats[i]);
  return new Uint8Array(halves.buffer);
}

/**
 * The f16 nearest to an f32, both as bits; ties to even.
 *
 * @param {number} bits
 */
export function half(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const scaled = exponent - 112;
  if (scaled >= 31) return sign | 0x7c00;
  if (scaled <= 0) {
    if (scaled < -10) return sign;
    const full = fraction | 0x800000;
    return sign | roundedShift(full, 14 - scaled);
  }
  // A fraction that rounds up to the next power of two carries into the exponent, which is right.
  return sign | ((scaled << 10) + roundedShift(fraction, 13));
}

/**
 * @param {number} value
 * @param {number} by
 */
function roundedShift(value, by) {
  const shifted = value >>> by;
  const rest = value & ((1 << by) - 1);
  const middle = 1 << (by - 1);
  return rest > middle || (rest === middle && (shifted & 1) === 1) ? shifted + 1 : shifted;
}
