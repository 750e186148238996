// @ts-check
/** `twindex/embed` in Node: the vectors of the native library, in a worker; what loading and bad input do. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import { difference, distOf, embed, halfOf, halved, isError, main, project, realModel, scratch, tiny } from './embed/twindex.mjs';
import { serve } from './lib/serve.mjs';

const { LocalEmbeddings } = embed;
/** @typedef {import('../../wasm/js/embed.js').LocalEmbeddings} Model */

/** Whatever is given. @param {unknown} value @returns {any} */
const any = (value) => value;

/** What a test loaded. @type {Model[]} */
const live = [];
afterEach(() => live.splice(0).forEach((embeddings) => embeddings.free()));

/** A model until the end of the test. @param {import('../../wasm/js/embed.js').LoadOptions} options */
async function loaded(options) {
  const embeddings = await LocalEmbeddings.load(options);
  live.push(embeddings);
  return embeddings;
}

/** A folder with the tiny model, to be changed. @param {string} name */
function copyOfTiny(name) {
  const folder = join(scratch, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(tiny.folder, folder, { recursive: true });
  return folder;
}

/** The real model's folder with f16 weights, made once. @type {Promise<string> | undefined} */
let half;

describe('vectors', () => {
  test('a small model gives what it gives natively, from a folder and from bytes', async () => {
    for (const model of [tiny.folder, pathToFileURL(tiny.folder), tiny.files()]) {
      const embeddings = await loaded({ model });
      assert.deepEqual([embeddings.dim, embeddings.maxSeqLength, embeddings.cached], [16, 32, false]);
      const vectors = await embeddings.embedDocuments(tiny.texts);
      assert.ok(vectors.every((vector) => vector instanceof Float32Array && vector.buffer.byteLength === 64));
      assert.ok(difference(vectors, tiny.vectors) < 1e-5);
      for (const [i, text] of tiny.texts.entries()) {
        const alone = await embeddings.embedQuery(text);
        assert.ok(alone instanceof Float32Array);
        assert.ok(difference([alone], [tiny.vectors[i] ?? []]) < 1e-5, text);
      }
    }
  });

  test('weights of half precision give nearly the same', async () => {
    const files = tiny.files();
    const embeddings = await loaded({ model: { ...files, weights: halved(files.weights) } });
    const apart = difference(await embeddings.embedDocuments(tiny.texts), tiny.vectors);
    assert.ok(apart > 0 && apart < 1e-2, String(apart));
  });

  test('what the small files say is honoured, and what they do not say has its default', async () => {
    const { weights, tokenizer, config } = tiny.files();
    const bare = await loaded({ model: { weights, tokenizer, config } });
    assert.equal(bare.maxSeqLength, 64, 'cut where the positions end');
    const modules = Buffer.from('[{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}]');
    const pooling = Buffer.from('{"pooling_mode": "cls"}');
    const other = await loaded({ model: { weights, tokenizer, config, modules, pooling } });
    const [mean, first] = [await bare.embedQuery('the cat'), await other.embedQuery('the cat')];
    assert.ok(Math.abs(Math.hypot(...mean) - 1) < 1e-6);
    assert.ok(Math.abs(Math.hypot(...first) - 1) > 1e-3, 'not normalised');
  });

  test('a folder may lay its files as its modules.json says', async () => {
    const folder = copyOfTiny('laid');
    mkdirSync(join(folder, '0_Transformer'));
    for (const name of ['config.json', 'tokenizer.json', 'model.safetensors', 'sentence_bert_config.json']) {
      copyFileSync(join(folder, name), join(folder, '0_Transformer', name));
      rmSync(join(folder, name));
    }
    const modules = JSON.parse(readFileSync(join(folder, 'modules.json'), 'utf8'));
    modules[0].path = '0_Transformer';
    writeFileSync(join(folder, 'modules.json'), JSON.stringify(modules));
    const embeddings = await loaded({ model: folder });
    assert.ok(difference(await embeddings.embedDocuments(tiny.texts), tiny.vectors) < 1e-5);
  });

  for (const [weights, tolerance] of /** @type {const} */ ([['f32', 1e-5], ['f16', 5e-4]])) {
    test(`all-MiniLM-L6-v2 in ${weights} gives the vectors of sentence-transformers`, async (t) => {
      const model = realModel();
      if (!model) return t.diagnostic('NOT CHECKED: TWINDEX_MODEL_DIR is not set');
      const folder = weights === 'f32' ? model.folder : await (half ??= halfOf(model.folder));
      let started = performance.now();
      const embeddings = await loaded({ model: folder });
      t.diagnostic(`loaded in ${(performance.now() - started).toFixed(0)} ms`);
      started = performance.now();
      const vectors = await embeddings.embedDocuments(model.texts);
      const together = performance.now() - started;
      started = performance.now();
      for (const [i, text] of model.texts.entries()) {
        assert.ok(difference([await embeddings.embedQuery(text)], [model.vectors[i] ?? []]) < tolerance, text);
      }
      const alone = performance.now() - started;
      const apart = difference(vectors, model.vectors);
      t.diagnostic(`${model.texts.length} texts: ${together.toFixed(0)} ms together, ${alone.toFixed(0)} ms one by one; ${apart.toExponential(1)} off`);
      assert.ok(apart < tolerance, String(apart));
    });
  }
});

describe('in use', () => {
  /** @type {Model} */
  let embeddings;
  before(async () => {
    embeddings = await LocalEmbeddings.load({ model: tiny.folder });
  });
  after(() => embeddings.free());

  test('stores and searches of a store embed with it', async () => {
    const store = await main.VectorStore.fromTexts(tiny.texts, null, embeddings, { distanceStrategy: 'cosine' });
    const [hit] = await store.similaritySearchWithScore('the cat sat on the mat.', 1);
    assert.equal(hit?.[0].pageContent, 'the cat sat on the mat.');
    assert.ok(Math.abs((hit?.[1] ?? 0) - 1) < 1e-5);
    store.free();
  });

  test('no texts give no vectors, and many keep their order', async () => {
    assert.deepEqual(await embeddings.embedDocuments([]), []);
    const texts = Array.from({ length: 100 }, (_, i) => tiny.texts[i % tiny.texts.length] ?? '');
    const expected = texts.map((_, i) => tiny.vectors[i % tiny.vectors.length] ?? []);
    for (const batchSize of [undefined, 1, 7, 1000]) {
      assert.ok(difference(await embeddings.embedDocuments(texts, { batchSize }), expected) < 1e-5);
    }
  });

  test('progress is told after each batch and awaited; what it throws ends the call', async () => {
    /** @type {unknown[]} */
    const told = [];
    let waiting = false;
    const onProgress = async (/** @type {any} */ progress) => {
      assert.equal(waiting, false);
      waiting = true;
      await sleep(1);
      waiting = false;
      told.push(progress);
    };
    await embeddings.embedDocuments(['a', 'b', 'c', 'd', 'e'], { batchSize: 2, onProgress });
    assert.deepEqual(told, [{ done: 2, total: 5 }, { done: 4, total: 5 }, { done: 5, total: 5 }]);
    const reason = new Error('stop');
    const failing = () => Promise.reject(reason);
    await assert.rejects(embeddings.embedDocuments(['a'], { onProgress: failing }), (error) => error === reason);
    assert.equal((await embeddings.embedDocuments(['a'])).length, 1);
  });

  test('a call that is cancelled rejects at once with the reason, and the next is answered', async () => {
    const reason = { why: 'enough' };
    await assert.rejects(embeddings.embedQuery('cat', { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    const controller = new AbortController();
    const texts = Array.from({ length: 4000 }, () => tiny.texts.at(-1) ?? '');
    let batches = 0;
    const call = embeddings.embedDocuments(texts, { signal: controller.signal, onProgress: () => void batches++ });
    const rejected = assert.rejects(call, (error) => error === reason);
    await sleep(5);
    controller.abort(reason);
    await rejected;
    const seen = batches;
    assert.ok(seen < 4000 / 16);
    assert.ok(difference([await embeddings.embedQuery('dogs')], [tiny.vectors[1] ?? []]) < 1e-5);
    assert.equal(batches, seen, 'nothing goes on');
  });

  test('a query comes between the batches of a long call, and the thread goes on meanwhile', async () => {
    const texts = Array.from({ length: 2000 }, () => tiny.texts.at(-1) ?? '');
    let done = false;
    let turns = 0;
    const long = embeddings.embedDocuments(texts).then(() => (done = true));
    const turn = () => {
      turns++;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    await embeddings.embedQuery('dogs');
    assert.equal(done, false);
    await long;
    assert.ok(turns > 10, `${turns} turns`);
  });

  for (const [what, call, code, message] of /** @type {[string, () => Promise<unknown>, string, RegExp][]} */ ([
    ['texts that are no list', () => embeddings.embedDocuments(any('cat')), 'invalid_argument', /^texts: expected a list of strings, got the string "cat"$/],
    ['a text that is none', () => embeddings.embedDocuments(any(['a', 5])), 'invalid_argument', /^texts\[1\]: expected a string, got the number 5$/],
    ['a hole in the texts', () => embeddings.embedDocuments(any([, 'a'])), 'invalid_argument', /^texts\[0\]: expected a string, got undefined$/],
    ['half of a surrogate pair', () => embeddings.embedDocuments(['a\ud800']), 'invalid_argument', /well-formed Unicode/],
    ['a query that is none', () => embeddings.embedQuery(any(null)), 'invalid_argument', /^text: expected a string, got null$/],
    ['an option of another name', () => embeddings.embedQuery('a', any({ batch: 1 })), 'invalid_option', /^unknown option "batch": expected one of signal$/],
    ['options that are none', () => embeddings.embedDocuments(['a'], any(5)), 'invalid_argument', /^options: expected an object/],
    ['a batch of nothing', () => embeddings.embedDocuments(['a'], { batchSize: 0 }), 'invalid_option', /batchSize: expected a whole number from 1/],
    ['a signal that is none', () => embeddings.embedQuery('a', { signal: any({}) }), 'invalid_option', /signal: expected an AbortSignal/],
    ['progress that is no function', () => embeddings.embedDocuments(['a'], { onProgress: any(1) }), 'invalid_option', /onProgress: expected a function/],
  ])) {
    test(`${what}: ${code}`, async () => {
      await assert.rejects(call(), isError(code, message));
      assert.equal((await embeddings.embedQuery('still there')).length, 16);
    });
  }
});

describe('models that cannot be used', () => {
  const { weights, tokenizer, config } = tiny.files();
  /** @param {Uint8Array} bytes @param {(json: any) => void} change */
  const changed = (bytes, change) => {
    const json = JSON.parse(Buffer.from(bytes).toString());
    change(json);
    return Buffer.from(JSON.stringify(json));
  };
  const notFinite = Uint8Array.from(weights);
  new DataView(notFinite.buffer).setFloat32(notFinite.length - 4, NaN, true);

  for (const [what, files, cause, message] of /** @type {[string, object, string, RegExp][]} */ ([
    ['weights cut short', { weights: weights.subarray(0, weights.length - 4) }, 'embed_malformed_file', /model\.safetensors cannot be read/],
    ['weights of nothing', { weights: new Uint8Array() }, 'embed_malformed_file', /model\.safetensors/],
    ['weights that are a page', { weights: Buffer.from('<!doctype html><title>404</title>') }, 'embed_malformed_file', /model\.safetensors/],
    ['weights of another shape', { config: changed(config, (json) => (json.intermediate_size = 64)) }, 'embed_tensor_shape', /intermediate\.dense\.weight has the shape \[32, 16\], config\.json asks for \[64, 16\]/],
    ['weights that lack a layer', { config: changed(config, (json) => (json.num_hidden_layers = 3)) }, 'embed_missing_tensor', /encoder\.layer\.2/],
    ['a tokenizer that is none', { tokenizer: Buffer.from('{}') }, 'embed_malformed_file', /tokenizer\.json/],
    ['a configuration that is no JSON', { config: Buffer.from('{"model_type"') }, 'embed_malformed_file', /config\.json/],
    ['a model of another kind', { config: changed(config, (json) => (json.model_type = 'gpt2')) }, 'embed_unsupported_model', /only BERT models are supported: model_type of config\.json is gpt2/],
    ['pooling of another kind', { pooling: Buffer.from('{"pooling_mode": "max"}') }, 'embed_unsupported_pooling', /only mean and cls/],
    ['modules of another kind', { modules: Buffer.from('[]') }, 'embed_unsupported_modules', /modules\.json asks for none/],
  ])) {
    test(`${what}: embeddings_model, for ${cause}`, async () => {
      const load = LocalEmbeddings.load({ model: { ...tiny.files(), ...files } });
      await assert.rejects(load, isError('embeddings_model', message, cause));
    });
  }

  test('a failure while embedding names the text by its number in the call', async () => {
    const beyond = changed(tokenizer, (json) => (json.model.vocab.cat = 9999));
    const embeddings = await loaded({ model: { ...tiny.files(), tokenizer: beyond } });
    const texts = ['a longer text than the others', 'dog', 'cat', 'the dog'];
    const call = embeddings.embedDocuments(texts, { batchSize: 2 });
    await assert.rejects(call, isError('embeddings_model', /failed on text 2: a token id beyond/, 'embed_tokenizer_failed'));
    assert.equal((await embeddings.embedDocuments(['dog'])).length, 1);
    const broken = await loaded({ model: { ...tiny.files(), weights: notFinite } });
    await assert.rejects(broken.embedQuery('dog'), isError('embeddings_model', /not finite/, 'embed_not_finite'));
  });

  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) {
    test(`a folder without ${name}: embeddings_model_file`, async () => {
      const folder = copyOfTiny(`without-${name}`);
      rmSync(join(folder, name));
      const message = new RegExp(`^${name} of the model is missing: there is none at file://.*${name}$`);
      await assert.rejects(LocalEmbeddings.load({ model: folder }), isError('embeddings_model_file', message));
    });
  }

  test('files that are given one by one have to be there, or to be readable', async () => {
    const none = join(scratch, 'none.json');
    const load = LocalEmbeddings.load({ model: { ...tiny.files(), pooling: none } });
    await assert.rejects(load, isError('embeddings_model_file', /1_Pooling\/config\.json of the model is missing/));
    const folder = LocalEmbeddings.load({ model: { ...tiny.files(), config: tiny.folder } });
    await assert.rejects(folder, isError('embeddings_model_file', /config\.json of the model cannot be read.*EISDIR/));
  });

  for (const [what, options, code, message] of /** @type {[string, any, string, RegExp][]} */ ([
    ['no options', undefined, 'invalid_argument', /^options: expected an object, got undefined$/],
    ['no model', {}, 'invalid_option', /^option model: expected the URL of a folder, or an object of files, got undefined$/],
    ['a model that is a number', { model: 5 }, 'invalid_option', /got the number 5$/],
    ['a model without weights', { model: { tokenizer, config } }, 'invalid_option', /^option model\.weights: expected a URL, a Blob or bytes, got undefined$/],
    ['a file that is none', { model: { weights, tokenizer, config: 5 } }, 'invalid_option', /^option model\.config: .* got the number 5$/],
    ['a file of another name', { model: { weights, tokenizer, config, vocab: 'x' } }, 'invalid_option', /got "vocab"$/],
    ['an option of another name', { model: tiny.folder, quantized: true }, 'invalid_option', /^unknown option "quantized"/],
    ['a cache that is none', { model: tiny.folder, cache: 5 }, 'invalid_option', /^option cache: /],
    ['a module that is none', { model: tiny.folder, wasm: 5 }, 'invalid_option', /^option wasm: /],
    ['a worker that is none', { model: tiny.folder, worker: 5 }, 'invalid_option', /^option worker: /],
    ['a worker that there is not', { model: tiny.folder, worker: 'none.mjs' }, 'worker_failed', /worker/],
    ['a module that there is not', { model: tiny.folder, wasm: join(scratch, 'none.wasm') }, 'wasm_unavailable', /ENOENT/],
    ['a module that is something else', { model: tiny.folder, wasm: Buffer.from('<html>') }, 'wasm_unavailable', /no WebAssembly/],
  ])) {
    test(`${what}: ${code}`, async () => {
      await assert.rejects(LocalEmbeddings.load(options), isError(code, message));
    });
  }

  test('there is no constructor', () => {
    assert.throws(() => new (any(LocalEmbeddings))(), isError('invalid_argument', /LocalEmbeddings\.load/));
  });
});

describe('models over HTTP', () => {
  /** @param {import('node:test').TestContext} t @param {import('./lib/serve.mjs').ServeOptions} [options] */
  async function served(t, options) {
    const site = await serve(tiny.folder, options);
    t.after(() => site.close());
    return site;
  }

  test('a folder is downloaded, with progress, and nothing is asked for twice', async (t) => {
    const site = await served(t);
    /** @type {any[]} */
    const told = [];
    const embeddings = await loaded({ model: site.url, onProgress: (progress) => told.push(progress) });
    assert.ok(difference(await embeddings.embedDocuments(tiny.texts), tiny.vectors) < 1e-5);
    const bytes = Object.values(tiny.files()).reduce((sum, { length }) => sum + length, 0);
    assert.deepEqual(told.at(-1), { loaded: bytes, total: bytes });
    const paths = site.requests.map(({ path }) => path).toSorted();
    assert.deepEqual(paths, ['/1_Pooling/config.json', '/config.json', '/model.safetensors', '/modules.json', '/sentence_bert_config.json', '/tokenizer.json']);
  });

  test('what a folder lacks may be answered with 404 or with a page', async (t) => {
    const page = (/** @type {any} */ _, /** @type {any} */ response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    const gone = (/** @type {any} */ _, /** @type {any} */ response) => void response.writeHead(404).end();
    const site = await served(t, { routes: { '/modules.json': page, '/1_Pooling/config.json': gone, '/sentence_bert_config.json': page } });
    const embeddings = await loaded({ model: `${site.url}/` });
    assert.equal(embeddings.maxSeqLength, 64);
    const missing = await served(t, { routes: { '/model.safetensors': page } });
    const load = LocalEmbeddings.load({ model: missing.url });
    await assert.rejects(load, isError('embeddings_model_file', /^model\.safetensors of the model is missing: there is none at http/));
  });

  test('a server that fails, ends too early or is not there: embeddings_model_file', async (t) => {
    const fails = await served(t, { routes: { '/tokenizer.json': (_, response) => void response.writeHead(500).end() } });
    await assert.rejects(LocalEmbeddings.load({ model: fails.url }), isError('embeddings_model_file', /tokenizer\.json .*the server answered 500/));
    const short = await served(t, {
      routes: {
        '/model.safetensors': (_, response) => {
          response.writeHead(200, { 'content-length': 1000 }).write('short');
          setTimeout(() => response.destroy(), 20);
        },
      },
    });
    await assert.rejects(LocalEmbeddings.load({ model: short.url }), isError('embeddings_model_file', /^model\.safetensors of the model cannot be read/));
    await short.close();
    await assert.rejects(LocalEmbeddings.load({ model: short.url }), isError('embeddings_model_file', /modules\.json of the model cannot be read at/));
  });

  test('progress has no total where the server does not say', async (t) => {
    const tokenizer = Buffer.concat([tiny.files().tokenizer, Buffer.alloc(600_000, ' ')]);
    const site = await served(t, {
      routes: { '/tokenizer.json': (_, response) => void response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(tokenizer) },
    });
    /** @type {any[]} */
    const told = [];
    const embeddings = await loaded({ model: site.url, onProgress: (progress) => told.push(progress) });
    const bytes = Object.values(tiny.files()).reduce((sum, { length }) => sum + length, 600_000);
    assert.deepEqual(told.pop(), { loaded: bytes, total: bytes });
    assert.ok(told.length > 0 && told.every(({ total }) => total === null));
    assert.equal(embeddings.dim, 16);
  });

  test('loading that is cancelled, or whose progress throws, rejects at once', async (t) => {
    const server = createServer((request, response) => {
      response.writeHead(200, { 'content-length': 600_000 }).write(new Uint8Array(300_000));
    }).listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    t.after(() => (server.closeAllConnections(), server.close()));
    const { port } = any(server.address());
    const weights = `http://127.0.0.1:${port}/weights`;
    const { tokenizer, config } = tiny.files();
    const controller = new AbortController();
    const reason = new Error('enough');
    const load = LocalEmbeddings.load({ model: { weights, tokenizer, config }, signal: controller.signal, onProgress: () => controller.abort(reason) });
    await assert.rejects(load, (error) => error === reason);
    const throwing = () => {
      throw reason;
    };
    await assert.rejects(LocalEmbeddings.load({ model: { weights, tokenizer, config }, onProgress: throwing }), (error) => error === reason);
    await assert.rejects(LocalEmbeddings.load({ model: tiny.folder, signal: AbortSignal.abort(reason) }), (error) => error === reason);
  });

  test('there is no cache in Node', async () => {
    assert.equal(await LocalEmbeddings.isCached({ model: 'https://example.org/model/' }), false);
    assert.equal(await LocalEmbeddings.removeCached({ model: tiny.folder, cache: 'mine' }), false);
    await assert.rejects(LocalEmbeddings.isCached(any({})), isError('invalid_option', /model/));
  });
});

describe('workers', () => {
  test('after free, and when its worker ends, calls reject', async () => {
    const embeddings = await LocalEmbeddings.load({ model: tiny.folder });
    const call = embeddings.embedDocuments(Array.from({ length: 1000 }, () => 'the cat sat on the mat.'));
    assert.equal(embeddings[Symbol.dispose ?? 'free'], embeddings.free);
    embeddings.free();
    embeddings.free();
    await assert.rejects(call, isError('embeddings_freed'));
    await assert.rejects(embeddings.embedQuery('a'), isError('embeddings_freed'));
    await assert.rejects(embeddings.embedDocuments([]), isError('embeddings_freed'));
    const worker = new Worker(distOf('embed-host-node.cjs'));
    const given = await LocalEmbeddings.load({ model: tiny.folder, worker: any(worker) });
    const waiting = given.embedDocuments(Array.from({ length: 1000 }, () => 'the cat sat on the mat.'));
    const rejected = assert.rejects(waiting, isError('worker_failed', /it ended with code 1/));
    await worker.terminate();
    await rejected;
    await assert.rejects(given.embedQuery('a'), isError('worker_failed'));
  });

  test('the module can be given, as bytes, compiled or by a place', async () => {
    const bytes = readFileSync(distOf('twindex-embed.wasm'));
    for (const wasm of [bytes, await WebAssembly.compile(bytes), distOf('twindex-embed.wasm'), pathToFileURL(distOf('twindex-embed.wasm'))]) {
      const embeddings = await loaded({ model: tiny.folder, wasm: any(wasm) });
      assert.equal(embeddings.dim, 16);
    }
    assert.ok(bytes.length > 0, 'what was given is still there');
  });

  test('what is given as bytes is still there', async () => {
    const files = tiny.files();
    const embeddings = await loaded({ model: { ...files, config: any(files.config.buffer) } });
    assert.deepEqual(files, tiny.files());
    assert.equal(embeddings.dim, 16);
  });

  test('a process that does not free it ends by itself', () => {
    const program = `import { LocalEmbeddings } from 'twindex/embed';
      const embeddings = (globalThis.held = await LocalEmbeddings.load({ model: ${JSON.stringify(tiny.folder)} }));
      console.log((await embeddings.embedQuery('dogs')).length);`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: project, encoding: 'utf8' });
    assert.deepEqual([status, stdout, stderr], [0, '16\n', '']);
  });

  test('require gives the same class, and the errors are those of the store', async () => {
    const require = createRequire(join(project, '_'));
    const required = require('twindex/embed');
    assert.equal(required.LocalEmbeddings, LocalEmbeddings);
    assert.equal(required.version, main.version);
    assert.equal(embed.VectorStoreError, main.VectorStoreError);
  });
});
