// @ts-check
/** Bytes that are no store, or a damaged one, whatever they come in. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';

import {
  Thrown,
  VectorStore,
  abc,
  embeddings,
  idsOf,
  isError,
  rejectsWith,
  trapped,
  unreadable,
} from './store/twindex.mjs';

const bytes = await (await abc(embeddings, { distanceStrategy: 'COSINE', normalizeL2: true })).serialize();
const encoder = new TextEncoder();

/** What is wrong with bytes, by the code of the error. */
const DAMAGES = ['not_a_store', 'newer_version', 'truncated', 'checksum_mismatch', 'corrupt'];

/** @param {Uint8Array} damaged */
async function codeOf(damaged) {
  try {
    const store = await VectorStore.deserialize(damaged);
    store.free();
    return 'opened';
  } catch (error) {
    const { code } = /** @type {any} */ (error);
    isError(code)(error);
    return code;
  }
}

describe('bytes of another format', () => {
  /** @type {[what: string, bytes: Uint8Array<ArrayBuffer>, message: RegExp][]} */
  const foreign = [
    ['nothing', new Uint8Array(), /an empty file$/],
    ['a pickle', new Uint8Array([0x80, 4, 0x95, 0, 0]), /a Python pickle/],
    ['a FAISS index', encoder.encode('IxF2\0\0\0\0'), /a FAISS index file$/],
    ['a ZIP archive', new Uint8Array([0x50, 0x4b, 3, 4, 20, 0]), /a ZIP archive$/],
    ['a gzipped store', gzipSync(bytes), /a gzip file$/],
    ['JSON', encoder.encode('{"vectors": []}'), /JSON$/],
    ['a JSON list', encoder.encode('[]'), /JSON$/],
    ['a NumPy array', new Uint8Array([0x93, ...encoder.encode('NUMPY\x01\0')]), /a NumPy array$/],
    ['a database', encoder.encode('SQLite format 3\0'), /an SQLite database$/],
    ['a page', encoder.encode('<!doctype html>'), /the first bytes are foreign$/],
    ['raw numbers', new Uint8Array(new Float32Array(1000).fill(0.5).buffer), /the first bytes are foreign$/],
    ['a deflated store', deflateRawSync(bytes), /the first bytes are foreign$/],
    ['a store behind a byte', new Uint8Array([0, ...bytes]), /the first bytes are foreign$/],
  ];
  for (const [what, given, message] of foreign) {
    test(`are named where they are known: ${what}`, async () => {
      await assert.rejects(VectorStore.deserialize(given), isError('not_a_store', message));
      await assert.rejects(VectorStore.deserialize(new Blob([given])), isError('not_a_store', message));
    });
  }
});

describe('a store', () => {
  test('cut short anywhere is truncated', async () => {
    for (let length = 1; length < bytes.length; length++) {
      assert.equal(
        await codeOf(bytes.subarray(0, length)),
        'truncated',
        `${length} of ${bytes.length} bytes`,
      );
    }
  });

  test('with any one bit flipped is refused', async () => {
    const damaged = bytes.slice();
    const seen = new Set();
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const code = await codeOf(damaged);
      assert.ok(DAMAGES.includes(code), `bit ${bit & 7} of byte ${bit >> 3}: ${code}`);
      seen.add(code);
      damaged[bit >> 3] ^= 1 << (bit & 7);
    }
    assert.equal(await codeOf(damaged), 'opened');
    assert.deepEqual([...seen].sort(), [...DAMAGES].sort());
  });

  test('with any byte changed, added or missing is refused', async () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        if (bytes[at] === value) continue;
        const damaged = bytes.slice();
        damaged[at] = value;
        assert.ok(DAMAGES.includes(await codeOf(damaged)), `byte ${at} as ${value}`);
      }
      const longer = new Uint8Array([...bytes.subarray(0, at), 0, ...bytes.subarray(at)]);
      assert.ok(DAMAGES.includes(await codeOf(longer)), `a byte more at ${at}`);
      const shorter = new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
      assert.ok(DAMAGES.includes(await codeOf(shorter)), `byte ${at} missing`);
    }
    assert.equal(await codeOf(new Uint8Array([...bytes, 0])), 'corrupt');
  });
});

function shared() {
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length));
  memory.set(bytes);
  return memory;
}

describe('bytes come', () => {
  /** @type {[what: string, make: () => any][]} */
  const sources = [
    ['as a Uint8Array', () => bytes],
    ['as a Buffer', () => Buffer.from(bytes)],
    ['as a part of a buffer', () => new Uint8Array([1, 2, 3, ...bytes, 4]).subarray(3, -1)],
    ['as an ArrayBuffer', () => bytes.slice().buffer],
    ['in shared memory', shared],
    ['as a Blob', () => new Blob([bytes.subarray(0, 100), bytes.subarray(100)])],
    ['as a File', () => new File([bytes], 'x.twindex')],
    ['as a Response', () => new Response(bytes)],
    ['as a Response with a stream', () => new Response(new Blob([bytes]).stream())],
  ];
  for (const [what, make] of sources) {
    test(what, async () => {
      const store = await VectorStore.deserialize(make(), embeddings);
      assert.deepEqual(await store.serialize(), bytes);
      assert.deepEqual(idsOf(await store.similaritySearch('b', 1)), ['b']);
    });
  }

  test('and stay as they were, the caller`s to change', async () => {
    const given = bytes.slice();
    const opening = VectorStore.deserialize(given);
    given.fill(0);
    assert.deepEqual(await (await opening).serialize(), bytes);
    const store = await abc();
    const first = await store.serialize();
    const second = first.slice();
    first.fill(0);
    assert.deepEqual(await store.serialize(), second);
  });
});

describe('what holds no bytes is refused', () => {
  const expected = /^bytes: expected a Uint8Array, ArrayBuffer, Blob or Response, got /;
  /** @type {[what: string, make: () => any][]} */
  const values = [
    ['undefined', () => undefined],
    ['null', () => null],
    ['a string', () => 'bytes'],
    ['a list of bytes', () => [...bytes]],
    ['a promise of bytes', () => Promise.resolve(bytes)],
    ['a Request', () => new Request('http://localhost')],
    ['other numbers', () => new Uint16Array(bytes.slice().buffer, 0, 8)],
    ['a DataView', () => new DataView(bytes.slice().buffer)],
    ['shared memory itself', () => new SharedArrayBuffer(8)],
    ['a stream', () => new Blob([bytes]).stream()],
    ['an object', () => ({})],
    ['a function', () => () => bytes],
  ];
  for (const [what, make] of values) {
    test(`: ${what}`, async () => {
      await assert.rejects(VectorStore.deserialize(make()), isError('invalid_argument', expected));
    });
  }

  /** @type {[what: string, make: () => any][]} */
  const pretenders = [
    ['an object with the prototype of bytes', () => Object.create(Uint8Array.prototype)],
    ['an object with the prototype of a buffer', () => Object.create(ArrayBuffer.prototype)],
    ['an object with the prototype of a blob', () => Object.create(Blob.prototype)],
    ['an object with the prototype of a response', () => Object.create(Response.prototype)],
    ['bytes behind a proxy', () => new Proxy(bytes, {})],
    ['a buffer behind a proxy', () => new Proxy(bytes.buffer, {})],
    ['a proxy that does not tell its prototype', () => trapped({}, 'getPrototypeOf')],
  ];
  for (const [what, make] of pretenders) {
    test(`: ${what}`, async () => {
      const check = (/** @type {any} */ error) =>
        isError(error.code === 'io_error' ? 'io_error' : 'invalid_argument')(error);
      await assert.rejects(VectorStore.deserialize(make()), check);
    });
  }
});

describe('a Response', () => {
  for (const status of [404, 500]) {
    test(`with the status ${status} is an error, not bytes`, async () => {
      const response = new Response(bytes, { status });
      const check = isError('io_error', new RegExp(`^the response: expected success, got status ${status}`));
      await assert.rejects(VectorStore.deserialize(response), check);
    });
  }

  test('without a body is an empty file', async () => {
    await assert.rejects(VectorStore.deserialize(new Response()), isError('not_a_store', /an empty file$/));
  });

  test('that was read already cannot be read', async () => {
    const response = new Response(bytes);
    await response.text();
    await assert.rejects(
      VectorStore.deserialize(response),
      isError('io_error', /^the bytes cannot be read: TypeError/),
    );
  });

  test('that breaks off is an error with its cause', async () => {
    const cause = new Thrown('the network went away');
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.subarray(0, 100));
        controller.error(cause);
      },
    });
    await assert.rejects(
      VectorStore.deserialize(new Response(body)),
      isError('io_error', /went away$/, { cause }),
    );
  });

  test('is not waited for once the signal aborts', async () => {
    const controller = new AbortController();
    const body = new ReadableStream({
      start(stream) {
        stream.enqueue(bytes);
        stream.close();
      },
    });
    const opening = VectorStore.deserialize(new Response(body), null, { signal: controller.signal });
    controller.abort('enough');
    await rejectsWith(opening, 'enough');
  });
});

test('options and embeddings are looked at whatever the bytes are', async () => {
  await assert.rejects(
    VectorStore.deserialize(bytes, /** @type {any} */ ({})),
    isError('invalid_argument', /^embeddings/),
  );
  await assert.rejects(
    VectorStore.deserialize(bytes, null, unreadable({}, 'dim')),
    isError('invalid_argument', /cannot be read/),
  );
  await assert.rejects(
    VectorStore.deserialize(new Uint8Array(), null, /** @type {any} */ ({ dim: 'x' })),
    isError('invalid_option'),
  );
});

const numbers = Float32Array.from({ length: 40 * 32 }, (_, i) => Math.sin(i * i));
const documents = Array.from({ length: 40 }, (_, i) => ({ pageContent: `${i}`, id: `${i}` }));
const made = await VectorStore.fromVectors(numbers, documents, null, { dim: 32, distanceStrategy: 'COSINE' });
const whole = await made.serialize();

describe('smaller vectors', () => {
  /** @type {[vectors: import('../../wasm/js/index.js').VectorEncoding, rowLen: number, most: number][]} */
  const small = [
    ['f16', 2 * 32, 1 / 2048],
    ['i8', 32 + 4, 0.02],
  ];

  for (const [vectors, rowLen, most] of small) {
    test(`${vectors} is smaller, opens as f32, and is kept`, async () => {
      const written = await made.serialize({ vectors });
      assert.equal(whole.length - written.length, 40 * (4 * 32 - rowLen));
      assert.equal((await made.info()).vectors, 'f32');
      const opened = await VectorStore.deserialize(written);
      const inMemory = await (await VectorStore.deserialize(whole)).info();
      assert.deepEqual(await opened.info(), { ...inMemory, vectors });
      assert.deepEqual(await opened.serialize(), written);
      assert.deepEqual(await opened.serialize({ vectors }), written);
      const back = await VectorStore.deserialize(await opened.serialize({ vectors: 'f32' }));
      assert.equal((await back.info()).vectors, 'f32');
      assert.deepEqual(await back.getVectors(), await opened.getVectors());
      assert.deepEqual(await back.serialize({ vectors }), written);

      const { largest, mean } = await made.vectorLoss(vectors);
      const lost = (await opened.getVectors()).reduce((sum, x, i) => sum + (x - (numbers[i] ?? NaN)) ** 2, 0);
      assert.ok(0 < mean && mean < largest && largest < most, `${mean} ${largest}`);
      const all = Math.sqrt(lost / numbers.reduce((sum, x) => sum + x * x, 0));
      assert.ok(Math.abs(all - mean) < mean / 2, `${all} ${mean}`);
      assert.deepEqual(await opened.vectorLoss(vectors), { largest: 0, mean: 0 });
    });

    test(`${vectors} with a number that is infinite, or damaged, is no store`, async () => {
      const written = await made.serialize({ vectors });
      for (let at = written.length - rowLen; at < written.length; at++) {
        const damaged = written.slice();
        damaged[at] = (damaged[at] ?? 0) ^ 0x40;
        assert.equal(await codeOf(damaged), 'checksum_mismatch');
        assert.equal(await codeOf(written.slice(0, at)), 'truncated');
      }
    });
  }

  test('are refused where they cannot hold a store', async () => {
    const far = await VectorStore.fromVectors([[1, 70_000]], [{ pageContent: 'far' }]);
    await assert.rejects(far.serialize({ vectors: 'f16' }), isError('invalid_option', /vector 0 is too large as f16/));
    await far.serialize({ vectors: 'i8' });
    for (const vectors of ['f64', '', 16, {}, Symbol('i8')]) {
      const wrong = /** @type {any} */ (vectors);
      const said = /^option vectors: expected f32, f16 or i8, got /;
      await assert.rejects(far.serialize({ vectors: wrong }), isError('invalid_option', said));
      await assert.rejects(far.save('never saved', { vectors: wrong }), isError('invalid_option', said));
      await assert.rejects(far.vectorLoss(wrong), isError('invalid_option', said));
    }
    const unknown = /** @type {any} */ ({ vector: 'i8' });
    await assert.rejects(far.serialize(unknown), isError('invalid_option', /unknown option "vector"/));
  });

  test('are not what LangChain gets: it gets the numbers there are', async () => {
    const opened = await VectorStore.deserialize(await made.serialize({ vectors: 'i8' }));
    await opened.addVectors([new Float32Array(32).fill(1 / 3)], [{ pageContent: 'new', id: 'new' }]);
    const { files } = await opened.toLangChain({ format: 'langchain' });
    const { buffer, byteOffset, byteLength } = /** @type {Uint8Array} */ (files['index.faiss']);
    const last = new DataView(buffer, byteOffset + byteLength - 4, 4).getFloat32(0, true);
    assert.ok(Math.abs(last - 1 / Math.sqrt(32)) < 1e-6, `${last}`);
  });
});
