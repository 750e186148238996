// @ts-check
/**
 * What others wrote, and indexes that are not flat: on the main thread and in a worker, in Node and in browsers, from the tarball. What the
 * files hold and answer is compared by `fixtures.mjs`; here is how they are given, changed and written.
 */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { launch } from './lib/browsers.mjs';
import { check } from './lib/fixtures.mjs';
import { loadPackage } from './lib/package.mjs';
import { serve } from './lib/serve.mjs';
import { project } from './worker/twindex.mjs';

const FIXTURES = new URL('../data/fixtures/', import.meta.url);

/** @param {string} name */
const read = (name) => readFileSync(new URL(name, FIXTURES));

/** @param {string} name @returns {Record<string, Buffer>} */
const folder = (name) =>
  Object.fromEntries(
    readdirSync(new URL(name, FIXTURES))
      .filter((file) => file !== 'expected.json' && file !== 'serialized.pkl')
      .map((file) => [file, read(`${name}/${file}`)]),
  );

/** @param {string} code @param {RegExp} [message] */
const isError = (code, message = /./) => (/** @type {any} */ error) => {
  assert.equal(error.name, 'VectorStoreError');
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

for (const entry of [undefined, 'worker']) {
  describe(entry ? 'twindex/worker' : 'twindex', () => {
    /** @type {import('./lib/package.mjs').Twindex['VectorStore']} */
    let VectorStore;
    before(async () => ({ VectorStore } = await loadPackage(undefined, entry)));

    test('every fixture opens with its documents and answers, or is refused by name', async () => {
      /** @type {string[]} */
      const differences = [];
      const { passed, failed } = await check({ VectorStore, VectorStoreError: /** @type {any} */ (undefined) }, new URL(FIXTURES).pathname, (line) => differences.push(line));
      assert.deepEqual([differences, failed], [[], 0]);
      assert.ok(passed > 90);
    });

    test('files come as files, blobs, responses or bytes, and the report says what they were', async () => {
      const files = folder('langchain/metadata_types');
      const index = /** @type {Buffer<ArrayBuffer>} */ (files['index.faiss']);
      const pickle = /** @type {Buffer<ArrayBuffer>} */ (files['index.pkl']);
      const ways = [
        { 'index.faiss': index, 'index.pkl': pickle },
        { 'a/index.faiss': new Blob([index]), 'a/index.pkl': new Response(pickle) },
        [new File([index], 'index.faiss'), new File([pickle], 'index.pkl')],
        new Set([new File([pickle], 'index.pkl'), new File([index], 'index.faiss')]),
        { 'index.faiss': new Uint8Array(index).buffer, 'index.pkl': new Uint8Array(pickle) },
      ];
      for (const way of ways) {
        const store = await VectorStore.fromLangChain(way);
        assert.deepEqual(await store.importReport(), {
          source: 'LangChain folder (Python, pickle protocol 4)',
          index: 'IndexFlatL2 (Flat)',
          documents: 20,
          converted: {
            'Decimal to string': 1,
            'NaN or infinity to null': 3,
            'UUID to string': 1,
            'bytes to base64': 1,
            'date to string': 1,
            'datetime to string': 3,
            'integer past 64 bits to string': 2,
            'key to string': 2,
            'numpy scalar to number': 3,
            'path to string': 1,
            'set to list': 2,
            'tuple to list': 4,
          },
          lost: [],
        });
        assert.equal(await store.count(), 20);
        store.free();
      }
      const made = await VectorStore.create();
      assert.equal(await made.importReport(), null);
      made.free();
    });

    test('what is no such file is refused, by name where it has one', async () => {
      const files = folder('langchain/flat_l2');
      const index = files['index.faiss'];
      assert.ok(index);
      const open = (/** @type {any} */ given, /** @type {any} */ options) => VectorStore.fromLangChain(given, null, options);
      const evil = Buffer.from('\x80\x04cos\nsystem\nX\x02\0\0\0id\x85R.', 'latin1');
      await assert.rejects(open({ 'index.faiss': index, 'index.pkl': evil }), isError('unsupported_content', /os\.system/));
      await assert.rejects(open({ 'x.faiss': read('faiss/lsh.faiss') }), isError('unsupported_content', /IndexLSH/));
      await assert.rejects(open({ 'x.faiss': index.subarray(0, 100) }), isError('corrupt'));
      await assert.rejects(open({ 'x.faiss': index.subarray(0, 30) }), isError('truncated'));
      await assert.rejects(open({ 'index.pkl': files['index.pkl'] }), isError('invalid_option', /half of a LangChain folder/));
      await assert.rejects(open({ 'a.faiss': index, 'b.faiss': index }), isError('invalid_option', /a, b/));
      assert.ok(await open({ 'a.faiss': index, 'b.faiss': index }, { indexName: 'b' }));
      await assert.rejects(open({}), isError('invalid_option'));
      await assert.rejects(open({ x: Buffer.from('hello') }), isError('not_a_store'));
      await assert.rejects(open(undefined), isError('invalid_argument'));
      await assert.rejects(open('index.faiss'), isError('invalid_argument'));
      await assert.rejects(open([1]), isError('invalid_argument'));
      await assert.rejects(open({ 'index.faiss': 7 }), isError('invalid_argument', /index\.faiss/));
      await assert.rejects(open({ 'index.faiss': new Response('', { status: 404 }) }), isError('io_error', /404/));
      await assert.rejects(open(files, { indexName: 7 }), isError('invalid_option', /indexName/));
      await assert.rejects(open(files, { distanceStrategy: 'JACCARD' }), isError('unknown_distance_strategy'));
      await assert.rejects(open(files, { indexFactory: 'Flat' }), isError('invalid_option', /indexFactory/));
      await assert.rejects(open(folder('langchain/custom_ivf'), { distanceStrategy: 'COSINE' }), isError('setting_mismatch'));
    });

    test('an index that is not flat is searched, changed, saved and opened again', async () => {
      const store = await VectorStore.fromLangChain(folder('langchain/custom_ivf'));
      const info = await store.info();
      assert.match(info.kind, /^IVF\d+,Flat$/);
      const count = await store.count();
      const nlist = info.parameters?.nlist ?? 0;
      await store.setSearchParameter('nprobe', nlist);
      assert.equal((await store.info()).parameters?.nprobe, nlist);
      const [id] = await store.ids();
      assert.ok(id);
      const vector = await store.getVector(id);
      const [hit] = await store.similaritySearchVectorWithScore(vector, 1);
      assert.deepEqual([hit?.[0].id, hit?.[1]], [id, 0]);

      await store.addVectors([vector], [{ pageContent: 'again', id: 'again', metadata: { only: true } }]);
      const found = await store.similaritySearchVectorWithScore(vector, { k: 3, filter: { only: true } });
      assert.deepEqual(found.map(([document, score]) => [document.id, score]), [['again', 0]]);
      assert.equal(await store.delete({ ids: [id] }), 1);
      assert.equal(await store.count(), count);

      const opened = await VectorStore.deserialize(await store.serialize());
      assert.deepEqual(await opened.similaritySearchVectorWithScore(vector, 5), await store.similaritySearchVectorWithScore(vector, 5));
      assert.deepEqual((await opened.info()).parameters, { nlist, nprobe: nlist });
      await assert.rejects(store.setSearchParameter(/** @type {any} */ ('efSearch'), 4), isError('unsupported_by_index', /efSearch/));
      await assert.rejects(store.setSearchParameter('nprobe', 0), isError('invalid_option'));
      await assert.rejects(store.setSearchParameter('nprobe', 1.5), isError('invalid_argument'));
      store.free();
      await assert.rejects(store.setSearchParameter('nprobe', 1), isError('store_freed'));
      opened.free();

      const graph = await VectorStore.fromLangChain(folder('langchain/custom_hnsw'));
      await graph.setSearchParameter('efSearch', 64);
      await assert.rejects(graph.delete({ ids: await graph.ids() }), isError('unsupported_by_index', /graph/));
      graph.free();
      const flat = await VectorStore.fromLangChain(folder('langchain/flat_l2'));
      await assert.rejects(flat.setSearchParameter('nprobe', 4), isError('unsupported_by_index', /nprobe/));
      flat.free();
    });

    test('stores of both kinds merge into each other', async () => {
      const ivf = await VectorStore.fromLangChain(folder('langchain/custom_ivf'));
      const [first] = await ivf.ids();
      assert.ok(first);
      const vector = await ivf.getVector(first);
      const flat = await VectorStore.fromVectors([vector], [{ pageContent: 'flat', id: 'flat' }]);
      const count = await ivf.count();
      await ivf.mergeFrom(flat);
      assert.equal(await ivf.count(), count + 1);
      assert.deepEqual(await ivf.getVector('flat'), vector);
      await flat.delete({ ids: ['flat'] });
      await flat.mergeFrom(ivf);
      assert.equal(await flat.count(), count + 1);
      assert.deepEqual(await flat.getByIds([first, 'flat']), await ivf.getByIds([first, 'flat']));
      await assert.rejects(ivf.mergeFrom(flat), isError('id_already_exists'));
      const other = await VectorStore.create(null, { distanceStrategy: 'COSINE' });
      await assert.rejects(ivf.mergeFrom(other), isError('merge_incompatible'));
      [ivf, flat, other].forEach((store) => store.free());
    });

    test('what is written opens again, and what it does not keep is told', async () => {
      const store = await VectorStore.fromLangChain(folder('langchain/unicode_nested'));
      const vectors = await store.getVectors();
      const documents = await store.getByIds(await store.ids());
      for (const format of /** @type {const} */ (['langchain', 'langchain-js', 'langchain-pickle'])) {
        const { files, report } = await store.toLangChain({ format, indexName: 'my index' });
        assert.equal(report.documents, documents.length);
        const back = await VectorStore.fromLangChain(files);
        assert.deepEqual(await back.getByIds(await back.ids()), documents);
        assert.deepEqual(await back.getVectors(), vectors);
        back.free();
      }
      const { files } = await store.toLangChain();
      assert.deepEqual(Object.keys(files), ['index.faiss', 'index.pkl']);
      const alone = await store.toLangChain({ format: 'faiss' });
      assert.deepEqual(alone.report.lost, ['ids, texts and metadata']);
      assert.deepEqual(Buffer.from(alone.files['index.faiss'] ?? ''), folder('langchain/unicode_nested')['index.faiss']);
      await assert.rejects(store.toLangChain(/** @type {any} */ ({ format: 'zip' })), isError('invalid_option', /zip/));
      store.free();
      const cosine = await VectorStore.fromVectors([[3, 4]], [{ pageContent: 'a' }], null, { distanceStrategy: 'COSINE' });
      const told = await cosine.toLangChain();
      assert.match(told.report.lost.join(), /FAISS has no cosine/);
      cosine.free();
      const none = await VectorStore.create();
      await assert.rejects(none.toLangChain(), isError('invalid_option', /dimension/));
      none.free();
    });
  });
}

const PAGE = `<!doctype html>
<html lang="en">
  <title>files</title>
  <script type="module" src="/page.mjs"></script>
</html>`;

// Runs in the page: opens folders as files that were dropped, and answers what it finds.
const SCRIPT = `
const entry = new URL(location.href).searchParams.get('entry');
const { VectorStore } = await import('/node_modules/twindex/dist/' + entry + '.mjs');
const folder = async (name, files) =>
  Promise.all(files.map(async (file) => new File([await (await fetch('/fixtures/' + name + '/' + file)).blob()], file)));
const outcome = {};
for (const name of ['custom_ivf', 'custom_hnsw', 'flat_ip']) {
  const store = await VectorStore.fromLangChain(await folder(name, ['index.faiss', 'index.pkl']));
  const expected = await (await fetch('/fixtures/' + name + '/expected.json')).json();
  const [{ embedding, results }] = expected.queries;
  const hits = await store.similaritySearchVectorWithScore(embedding, results.length);
  const opened = await VectorStore.deserialize(await store.serialize());
  outcome[name] = [
    hits.map(([{ id }]) => id).join() === results.map(({ id }) => id).join(),
    (await opened.similaritySearchVectorWithScore(embedding, 1))[0][0].id === hits[0][0].id,
  ];
}
globalThis.outcome = outcome;
`;

for (const name of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(name, () => {
    /** @type {import('./lib/browsers.mjs').Browser} */
    let browser;
    before(async () => {
      browser = await launch(name);
    });
    after(() => browser.close());

    for (const entry of ['index', 'worker']) {
      test(`folders that were dropped open under a strict policy: ${entry}.mjs`, async (t) => {
        /** @param {string} type @param {string | Buffer} content @returns {import('./lib/serve.mjs').Route} */
        const file = (type, content) => (_, response) =>
          void response.writeHead(200, { 'content-type': type }).end(content);
        /** @type {Record<string, import('./lib/serve.mjs').Route>} */
        const routes = { '/page.html': file('text/html', PAGE), '/page.mjs': file('text/javascript', SCRIPT) };
        for (const store of ['custom_ivf', 'custom_hnsw', 'flat_ip']) {
          for (const part of ['index.faiss', 'index.pkl', 'expected.json']) {
            routes[`/fixtures/${store}/${part}`] = file('application/octet-stream', read(`langchain/${store}/${part}`));
          }
        }
        const csp = "default-src 'none'; connect-src 'self'; worker-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
        const site = await serve(project, { routes, csp });
        t.after(() => site.close());
        const page = await browser.open(`${site.url}/page.html?entry=${entry}`);
        t.after(() => page.close());
        const right = [true, true];
        assert.deepEqual(await page.outcome(), { custom_ivf: right, custom_hnsw: right, flat_ip: right });
      });
    }
  });
}
