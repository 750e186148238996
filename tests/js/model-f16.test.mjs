// @ts-check
/** `scripts/model-f16.mjs`: numbers in half precision, and the folder that it writes. */

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { halved, toHalf, writeHalved } from '../../scripts/model-f16.mjs';

const TINY = fileURLToPath(new URL('../data/tiny_model/', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'twindex-f16-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The value of half-precision bits, by the definition. @param {number} bits */
function valueOf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** @param {number} number */
const bitsOf = (number) => toHalf(Float32Array.of(number))[0] ?? NaN;

test('every half-precision number comes back, and what lies between two goes to the nearer, or the even one', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const [low, high] = [valueOf(bits), bits === 0x7bff ? 65_536 : valueOf(bits + 1)];
    const middle = (low + high) / 2; // an f32, exactly
    const step = (high - low) * 2 ** -11;
    assert.equal(bitsOf(low), bits);
    assert.equal(bitsOf(-low), bits | 0x8000);
    assert.equal(bitsOf(middle - step), bits);
    assert.equal(bitsOf(middle), bits % 2 === 0 ? bits : bits + 1);
    assert.equal(bitsOf(middle + step), bits + 1);
  }
  assert.deepEqual([bitsOf(Infinity), bitsOf(-Infinity), bitsOf(1e30), bitsOf(1e-30)], [0x7c00, 0xfc00, 0x7c00, 0]);
  assert.ok(Number.isNaN(valueOf(bitsOf(NaN))));
});

/** @param {Record<string, unknown>} header @param {Uint8Array} data */
function safetensors(header, data) {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

test('tensors of other types stay as they are, and so does what is said of the file', () => {
  const data = Buffer.from(new Float32Array([1, -2, 0.5]).buffer);
  const ids = Buffer.from(new BigInt64Array([7n]).buffer);
  const file = halved(
    safetensors(
      {
        __metadata__: { format: 'pt' },
        ids: { dtype: 'I64', shape: [1], data_offsets: [12, 20] },
        numbers: { dtype: 'F32', shape: [3, 1], data_offsets: [0, 12] },
      },
      Buffer.concat([data, ids]),
    ),
  );
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  assert.equal(length % 8, 0);
  assert.deepEqual(JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString()), {
    __metadata__: { format: 'pt' },
    numbers: { dtype: 'F16', shape: [3, 1], data_offsets: [0, 6] },
    ids: { dtype: 'I64', shape: [1], data_offsets: [6, 14] },
  });
  assert.deepEqual([...file.subarray(8 + length)], [0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 7, 0, 0, 0, 0, 0, 0, 0]);
});

for (const [what, file, message] of /** @type {[string, Uint8Array, RegExp][]} */ ([
  ['too few bytes', new Uint8Array(5), /it has 5 bytes/],
  ['a header beyond the end', new Uint8Array(16).fill(255), /say|says that/],
  ['a header that is no JSON', Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{]')]), /no JSON/],
  ['a tensor beyond the end', safetensors({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, new Uint8Array(4)), /tensor a lies outside/],
  ['a header that is no object', Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('null')]), /describes it is no object/],
  ['a tensor of bytes that are no numbers', safetensors({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 7] } }, new Uint8Array(7)), /tensor a has 7 bytes, and its numbers take 4 each/],
  ['a number beyond f16', safetensors({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, new Uint8Array(Float32Array.of(7e4).buffer)), /tensor a has 70000, which is beyond f16/],
])) {
  test(`${what} is refused`, () => assert.throws(() => halved(file), message));
}

test('a folder is written whole or without weights, and never over the model', async () => {
  const to = join(scratch, 'half');
  const bytes = await writeHalved(TINY, to);
  assert.equal(readFileSync(join(to, 'model.safetensors')).length, bytes);
  for (const name of ['config.json', 'tokenizer.json', 'modules.json', '1_Pooling/config.json', 'sentence_bert_config.json']) {
    assert.deepEqual(readFileSync(join(to, name)), readFileSync(join(TINY, name)), name);
  }
  await assert.rejects(writeHalved(TINY, TINY), /is the model itself/);
  const damaged = join(scratch, 'damaged');
  cpSync(TINY, damaged, { recursive: true });
  writeFileSync(join(damaged, 'model.safetensors'), 'damaged');
  await assert.rejects(writeHalved(damaged, join(scratch, 'none')), /no safetensors file/);
  assert.equal(existsSync(join(scratch, 'none')), false);
});
