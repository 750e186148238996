// @ts-check
/** How the worker of `twindex/worker` begins and ends in Node, and what becomes of calls and stores then. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

import {
  deferred,
  distOf,
  embeddings,
  errorOf,
  isError,
  main,
  project,
  storeOf,
  worker,
} from './worker/twindex.mjs';

const { VectorStore, init, terminate } = worker;

const never = { ...embeddings, embedQuery: () => new Promise(() => {}) };

afterEach(() => terminate());

/** A worker of our own, and the types of the messages that it is sent. */
function ownWorker() {
  const own = new Worker(distOf('worker-host-node.cjs'));
  /** @type {string[]} */
  const sent = [];
  const post = own.postMessage;
  own.postMessage = (message, transfer) => {
    sent.push(message.type);
    return post.call(own, message, transfer);
  };
  return { own, sent };
}

/**
 * Runs a program in a process of its own, where the package is installed.
 *
 * @param {string[]} args
 */
function run(...args) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: project,
    encoding: 'utf8',
  });
  return { status, signal, stderr, lines: stdout.trim().split('\n') };
}

/** @param {import('node:test').TestContext} t @param {string} content */
async function scriptOf(t, content) {
  const folder = await mkdtemp(join(tmpdir(), 'twindex-worker-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'script.mjs');
  await writeFile(file, content);
  return file;
}

describe('the process', () => {
  const imports = "import { VectorStore, init } from 'twindex/worker';";
  const makes = "const store = await VectorStore.fromVectors([[1, 2]], [{ pageContent: 'a' }]);";

  test('ends when no call is under way, although the worker is there', () => {
    const { status, lines, stderr } = run(
      '--input-type=module',
      '-e',
      `${imports} ${makes} console.log(await store.count());`,
    );
    assert.deepEqual([status, lines, stderr], [0, ['1'], '']);
  });

  test('ends with stores that are not freed, and with searches that were cancelled', () => {
    const program = `${imports}
      const never = { embedDocuments: () => [], embedQuery: () => new Promise(() => {}) };
      const store = await VectorStore.create(never);
      const controller = new AbortController();
      const search = store.similaritySearch('q', { signal: controller.signal });
      controller.abort('enough');
      console.log(await search.catch((reason) => reason));`;
    const { status, lines, stderr } = run('--input-type=module', '-e', program);
    assert.deepEqual([status, lines, stderr], [0, ['enough'], '']);
  });

  test('waits for calls that nobody awaits', () => {
    const program = `${imports}
      VectorStore.create(null, { dim: 2 })
        .then((store) => store.info())
        .then(({ dim }) => console.log(dim));`;
    assert.deepEqual(run('--input-type=module', '-e', program), {
      status: 0,
      signal: null,
      stderr: '',
      lines: ['2'],
    });
  });

  test('can require it, and has one worker and one class by either way', () => {
    const program = `
      const required = require('twindex/worker');
      import('twindex/worker').then(async (imported) => {
        const names = ['VectorStore', 'VectorStoreError', 'init', 'terminate', 'version'];
        const store = await required.VectorStore.create();
        const { VectorStoreError } = require('twindex');
        console.log(names.every((name) => required[name] === imported[name]), await store.count());
        console.log(required.VectorStoreError === VectorStoreError);
      });`;
    assert.deepEqual(run('--input-type=commonjs', '-e', program), {
      status: 0,
      signal: null,
      stderr: '',
      lines: ['true 0', 'true'],
    });
  });

  test('compiles no WebAssembly on this thread', () => {
    const program = `
      const names = ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming', 'Module'];
      for (const name of names) {
        WebAssembly[name] = class { constructor() { throw new Error(name); } };
      }
      const { VectorStore } = await import('twindex/worker');
      ${makes}
      console.log((await store.similaritySearchByVector([1, 2], 1, () => true))[0].pageContent);`;
    assert.deepEqual(run('--input-type=module', '-e', program), {
      status: 0,
      signal: null,
      stderr: '',
      lines: ['a'],
    });
  });

  test('starts no worker before the first call', () => {
    const program = `${imports}
      import { createHook } from 'node:async_hooks';
      const workers = [];
      createHook({ init: (id, type) => type === 'WORKER' && workers.push(id) }).enable();
      await new Promise((resolve) => setTimeout(resolve));
      const before = workers.length;
      await Promise.all([init(), VectorStore.create(), VectorStore.create()]);
      console.log(before, workers.length);`;
    assert.deepEqual(run('--input-type=module', '-e', program).lines, ['0 1']);
  });

  test('gives stores back that it has forgotten', () => {
    const program = `${imports}
      import { Worker } from 'node:worker_threads';
      const own = new Worker(${JSON.stringify(distOf('worker-host-node.cjs'))});
      const released = new Set();
      const post = own.postMessage;
      own.postMessage = (message, transfer) => {
        if (message.type === 'release') released.add(message.target);
        post.call(own, message, transfer);
      };
      await init(undefined, { worker: own });
      const kept = await VectorStore.create();
      for (let i = 0; i < 20; i++) await (await VectorStore.create()).asRetriever();
      while (released.size < 40) {
        gc();
        await new Promise((resolve) => setTimeout(resolve));
      }
      console.log(released.size, await kept.count());`;
    assert.deepEqual(run('--expose-gc', '--input-type=module', '-e', program), {
      status: 0,
      signal: null,
      stderr: '',
      lines: ['40 0'],
    });
  });
});

describe('a store', () => {
  test('is given back once when it is freed, after the calls before', async () => {
    const { own, sent } = ownWorker();
    await init(undefined, { worker: own });
    const store = await storeOf(worker, 3);
    const search = store.similaritySearch('q', 1, () => true);
    store.free();
    store.free();
    assert.equal((await search).length, 1);
    assert.equal(sent.filter((type) => type === 'release').length, 1);
  });

  test('that a cancelled call has made all the same is given back', async () => {
    const { own, sent } = ownWorker();
    await init(undefined, { worker: own });
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const making = VectorStore.fromVectors([], [], null, options);
    controller.abort('no need');
    await assert.rejects(making, (reason) => reason === 'no need');
    await (await VectorStore.create()).count();
    assert.deepEqual(
      sent.filter((type) => type === 'release' || type === 'cancel'),
      ['cancel', 'release'],
    );
  });
});

describe('terminate', () => {
  test('ends calls under way and stores, and the next call starts another worker', async () => {
    const store = await VectorStore.create(never, { dim: 3 });
    await store.addVectors([[1, 2, 3]], [{ pageContent: 'a' }]);
    const pending = [store.similaritySearch('q'), store.count(), VectorStore.create()];
    const ends = pending.map((call) =>
      assert.rejects(call, isError('worker_failed', { message: /terminated/ })),
    );
    await terminate();
    await Promise.all(ends);
    await assert.rejects(store.count(), isError('worker_failed'));
    await assert.rejects(store.addVectors([[1, 2, 3]], [{ pageContent: 'a' }]), isError('worker_failed'));
    store.free();
    const next = await storeOf(worker, 2);
    assert.equal(await next.count(), 2);
    const other = await VectorStore.create();
    await assert.rejects(next.mergeFrom(store), isError('invalid_argument', { message: /same worker/ }));
    await next.mergeFrom(other);
  });

  test('does nothing where no worker runs', async () => {
    await terminate();
    await terminate();
  });
});

describe('a worker that', () => {
  test('is not there fails the calls, with the cause', async () => {
    const missing = pathToFileURL(join(project, 'nowhere.mjs'));
    const started = [init(undefined, { worker: missing }), VectorStore.create()];
    for (const call of started) {
      await assert.rejects(call, (error) => {
        isError('worker_failed', { message: /nowhere/ })(error);
        assert.ok(/** @type {Error} */ (error).cause instanceof Error);
        return true;
      });
    }
    // The address stays the one that was given.
    await assert.rejects(VectorStore.create(), isError('worker_failed', { message: /nowhere/ }));
    await init(undefined, { worker: distOf('worker-host-node.cjs') });
    assert.equal(await (await VectorStore.create()).count(), 0);
  });

  for (const [what, content, message] of /** @type {[string, string, RegExp][]} */ ([
    ['cannot be parsed', 'this is no program', /SyntaxError/],
    ['throws when it starts', 'throw new RangeError("not today")', /not today/],
    ['ends at once', '', /ended with code 0/],
    ['ends with an exit code', 'process.exit(7)', /ended with code 7/],
  ])) {
    test(`${what} fails the calls, with the cause`, async (t) => {
      const file = await scriptOf(t, content);
      await assert.rejects(
        init(undefined, { worker: pathToFileURL(file) }),
        isError('worker_failed', { message }),
      );
      await init(undefined, { worker: new Worker(distOf('worker-host-node.cjs')) });
      assert.equal(await (await storeOf(worker, 3)).count(), 3);
    });
  }

  test('dies fails the calls under way and its stores; the next store has a new worker', async () => {
    const { own } = ownWorker();
    await init(undefined, { worker: own });
    const asked = deferred();
    const store = await VectorStore.create({
      ...embeddings,
      embedDocuments: () => (asked.resolve(), new Promise(() => {})),
    });
    const pending = assert.rejects(
      store.addTexts(['a']),
      isError('worker_failed', { message: /ended with code 1/ }),
    );
    await asked.promise;
    await own.terminate();
    await pending;
    await assert.rejects(store.count(), isError('worker_failed', { message: /ended with code 1/ }));
    await assert.rejects(
      init(undefined, { worker: own }),
      isError('worker_failed', { message: /has ended/ }),
    );
    assert.equal(await (await storeOf(worker, 3)).count(), 3);
  });
});

describe('init', () => {
  const file = distOf('twindex.wasm');
  const bytes = readFileSync(file);
  const headers = { 'content-type': 'application/wasm' };

  for (const [what, source] of /** @type {[string, () => any][]} */ ([
    ['nothing', () => undefined],
    ['a path', () => file],
    ['a URL', () => pathToFileURL(file)],
    ['the text of a URL', () => pathToFileURL(file).href],
    ['bytes', () => new Uint8Array(bytes)],
    ['a buffer', () => new Uint8Array(bytes).buffer],
    ['a module', () => new WebAssembly.Module(bytes)],
    ['a response', () => new Response(bytes, { headers })],
    ['a response without a type', () => new Response(bytes)],
    ['a promise of a response', async () => new Response(bytes, { headers })],
  ])) {
    test(`takes ${what}, in the next worker too`, async () => {
      // Calls that come before it is loaded wait.
      const [, store] = await Promise.all([init(source()), storeOf(worker, 3)]);
      assert.equal((await store.similaritySearch('q', 1))[0].id, 'd0');
      await terminate();
      assert.equal(await (await storeOf(worker, 3)).count(), 3);
    });
  }

  for (const [what, source, code] of /** @type {[string, () => any, string][]} */ ([
    ['bytes of something else', () => new TextEncoder().encode('<!doctype html>'), 'wasm_unavailable'],
    ['a broken module', () => bytes.subarray(0, 100), 'wasm_unavailable'],
    ['a response that tells of no success', () => new Response('none', { status: 404 }), 'wasm_unavailable'],
    ['a place where there is nothing', () => join(project, 'none.wasm'), 'wasm_unavailable'],
    ['a number', () => 5, 'invalid_argument'],
    ['a function', () => () => bytes, 'invalid_argument'],
  ])) {
    test(`refuses ${what} as on the main thread, and can be called again`, async () => {
      const refused = await errorOf(init(source()));
      isError(code)(refused);
      // The module of this thread may be loaded, and init then does nothing: ask a thread where it is not.
      const program = `import { init } from 'twindex'; import { readFileSync } from 'node:fs';
        const bytes = readFileSync(${JSON.stringify(file)}); const project = ${JSON.stringify(project)};
        const { join } = await import('node:path');
        console.log(await init((${source})()).catch(({ code, message }) => code + ': ' + message));`;
      const { lines, stderr } = run('--input-type=module', '-e', program);
      assert.deepEqual([lines.join('\n'), stderr], [`${refused.code}: ${refused.message}`, '']);
      await init(pathToFileURL(file));
      assert.equal(await (await storeOf(worker, 3)).count(), 3);
    });
  }

  test('hands on what a promise of a source rejects with, as it is', async () => {
    const reason = new TypeError('offline');
    await assert.rejects(
      init(Promise.reject(reason)),
      (error) => error === reason || /** @type {Error} */ (error).cause === reason,
    );
    await init(pathToFileURL(file));
  });

  test('does nothing once the module is loaded', async () => {
    await init();
    await init(/** @type {any} */ ('nowhere.wasm'));
    assert.equal(await (await storeOf(worker, 3)).count(), 3);
  });

  test('refuses another worker while one runs, and options of another kind', async () => {
    const { own } = ownWorker();
    await init(undefined, { worker: own });
    await init(undefined, { worker: own });
    await assert.rejects(
      init(undefined, { worker: distOf('worker-host-node.cjs') }),
      isError('invalid_option', { message: /terminate/ }),
    );
    await terminate();
    for (const wrong of /** @type {any[]} */ ([5, { workers: 1 }, { worker: 5 }, { worker: {} }])) {
      await assert.rejects(init(undefined, wrong), (error) =>
        /invalid_(?:option|argument)/.test(/** @type {any} */ (error).code),
      );
    }
    assert.equal(await (await storeOf(worker, 3)).count(), 3);
  });

  test('leaves the store of the main thread alone', async () => {
    const store = await storeOf(main, 3);
    await init();
    await terminate();
    assert.equal(await store.count(), 3);
  });
});
