// @ts-check
/** The storage of Node: files that are old or new, whatever happens, and the same as the native library's. */

import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { VectorStoreError } from '../../wasm/js/error.mjs';
import { storage } from '../../wasm/js/storage-node.mjs';
import { contentOf, readAll, trap, versionOf } from './storage/content.mjs';
import { BAD, GOOD } from './storage/names.mjs';

const SAVER = fileURLToPath(new URL('storage/saver.mjs', import.meta.url));
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** @param {import('node:test').TestContext} t */
async function newFolder(t) {
  const folder = await fs.mkdtemp(join(tmpdir(), 'twindex-storage-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

/** @param {string} directory */
async function loadVersion(directory, name = 'index') {
  return versionOf(await storage.load(name, { directory }, readAll));
}

/** @param {string} folder */
async function hiddenFiles(folder) {
  return (await fs.readdir(folder)).filter((file) => file.startsWith('.'));
}

/**
 * @param {string} code
 * @param {RegExp} [message]
 */
function isError(code, message = /./) {
  return (/** @type {unknown} */ error) => {
    assert.ok(error instanceof VectorStoreError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

/** @param {(string | number)[]} args */
function startSaver(...args) {
  return fork(SAVER, args.map(String));
}

test('what is saved is loaded, and replaced by the next save', async (t) => {
  const directory = join(await newFolder(t), 'made', 'with its parents');
  for (const [version, length] of [16, 1 << 12, 9 << 20, 20].entries()) {
    await storage.save('index', contentOf(version, length), { directory });
    assert.equal(await storage.load('index', { directory }, ({ size }) => size), length);
    assert.equal(await loadVersion(directory), version);
  }
  assert.deepEqual(await fs.readdir(directory), ['index.twindex']);
});

test('without a directory the current one is meant, as it is at the time of the call', async (t) => {
  const folder = await newFolder(t);
  const before = process.cwd();
  process.chdir(folder);
  try {
    const saved = storage.save('here', contentOf(1));
    process.chdir(before);
    await saved;
    process.chdir(folder);
    assert.equal(versionOf(await storage.load('here', {}, readAll)), 1);
    assert.deepEqual(await storage.list(), ['here']);
    assert.equal(await storage.remove('here'), true);
    assert.deepEqual(await storage.list(), []);
  } finally {
    process.chdir(before);
  }
});

test('names are plain file names: others are refused everywhere, and nothing is touched', async (t) => {
  const directory = await newFolder(t);
  for (const [version, name] of GOOD.entries()) await storage.save(name, contentOf(version), { directory });
  assert.deepEqual(await storage.list({ directory }), [...GOOD].sort());
  for (const [version, name] of GOOD.entries()) assert.equal(await loadVersion(directory, name), version);
  for (const bad of BAD) {
    const name = /** @type {string} */ (bad);
    const refused = isError('invalid_index_name', /^an index name is a file name without folders, of at most 200 bytes, got /);
    await assert.rejects(storage.save(name, contentOf(1), { directory }), refused);
    await assert.rejects(storage.load(name, { directory }, readAll), refused);
    await assert.rejects(storage.remove(name, { directory }), refused);
  }
  for (const name of GOOD) assert.equal(await storage.remove(name, { directory }), true);
  assert.deepEqual(await fs.readdir(directory), []);
  await assert.rejects(storage.remove('a/b'), isError('invalid_index_name', /got "a\/b"$/));
});

test('a directory that is no path is refused', async () => {
  for (const bad of [7, null, {}, 'a\0b']) {
    const options = { directory: /** @type {string} */ (bad) };
    await assert.rejects(storage.save('index', contentOf(1), options), isError('invalid_argument', /a directory is a path, got/));
    await assert.rejects(storage.load('index', options, readAll), isError('invalid_argument'));
    await assert.rejects(storage.list(options), isError('invalid_argument'));
    await assert.rejects(storage.remove('index', options), isError('invalid_argument'));
  }
});

test('what is not there is not found, listed or removed', async (t) => {
  const folder = await newFolder(t);
  for (const directory of [folder, join(folder, 'none')]) {
    await assert.rejects(storage.load('index', { directory }, readAll), isError('file_not_found', /index\.twindex/));
    assert.deepEqual(await storage.list({ directory }), []);
    assert.equal(await storage.remove('index', { directory }), false);
  }
  assert.equal(existsSync(join(folder, 'none')), false);
});

test('only stores are listed, sorted', async (t) => {
  const directory = await newFolder(t);
  for (const name of ['b', 'a', 'ä', 'B']) await storage.save(name, contentOf(1), { directory });
  await fs.mkdir(join(directory, 'folder.twindex'));
  for (const file of ['a.twindex.bak', '.twindex', 'twindex', '.a.twindex.1-0.tmp']) await fs.writeFile(join(directory, file), '');
  assert.deepEqual(await storage.list({ directory }), ['B', 'a', 'b', 'ä']);
});

test('failures of the file system are typed, with their cause', async (t) => {
  const folder = await newFolder(t);
  const file = join(folder, 'file');
  await fs.writeFile(file, '');
  await fs.mkdir(join(folder, 'index.twindex'));
  const directory = folder;
  /** @type {[string, () => Promise<unknown>][]} */
  const failures = [
    ['EEXIST', () => storage.save('index', contentOf(1), { directory: file })],
    ['ENOTDIR', () => storage.save('index', contentOf(1), { directory: join(file, 'below') })],
    ['ENOTDIR', () => storage.load('index', { directory: file }, readAll)],
    ['ENOTDIR', () => storage.list({ directory: file })],
    ['ENOTDIR', () => storage.remove('index', { directory: file })],
    ['EISDIR', () => storage.save('index', contentOf(1), { directory })],
    ['EISDIR', () => storage.load('index', { directory }, readAll)],
    ['EISDIR', () => storage.remove('index', { directory })],
  ];
  for (const [cause, fail] of failures) {
    await assert.rejects(fail, (/** @type {Error & { cause: NodeJS.ErrnoException }} */ error) => {
      assert.equal(error.cause.code, cause);
      assert.equal(error.name, 'VectorStoreError');
      return isError('io_error', /^cannot (write|read|remove) .*: E/)(error);
    });
  }
  assert.deepEqual(await fs.readdir(folder), ['file', 'index.twindex']);
});

test('a full disk or a used-up quota keeps the old store and leaves nothing', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(1), { directory });
  const handle = await fs.open(join(directory, 'index.twindex'));
  await handle.close();
  for (const code of ['ENOSPC', 'EDQUOT']) {
    const full = t.mock.method(Object.getPrototypeOf(handle), 'sync', async () => {
      throw Object.assign(new Error(`${code}: no room, fsync`), { code, syscall: 'fsync' });
    });
    await assert.rejects(storage.save('index', contentOf(2), { directory }), isError('quota_exceeded', /no room/));
    await assert.rejects(storage.save('other', contentOf(2), { directory }), isError('quota_exceeded'));
    assert.equal(full.mock.callCount(), 2);
    full.mock.restore();
    assert.equal(await loadVersion(directory), 1);
    assert.deepEqual(await fs.readdir(directory), ['index.twindex']);
  }
});

test('an aborted save rejects with the reason and leaves the old store', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(1), { directory });
  const reason = { because: 'enough' };
  const isReason = (/** @type {unknown} */ error) => error === reason;

  await assert.rejects(storage.save('index', contentOf(2), { directory, signal: AbortSignal.abort(reason) }), isReason);
  for (const at of [0, 2, 4]) {
    const controller = new AbortController();
    const chunks = contentOf(2, 12 << 20).map((chunk, i) =>
      trap(chunk, () => {
        assert.ok(i <= at, 'what comes after is not written any more');
        if (i === at) controller.abort(reason);
      }),
    );
    await assert.rejects(storage.save('index', chunks, { directory, signal: controller.signal }), isReason);
  }
  await assert.rejects(storage.load('index', { directory, signal: AbortSignal.abort(reason) }, readAll), isReason);
  await assert.rejects(storage.remove('index', { directory, signal: AbortSignal.abort(reason) }), isReason);
  assert.equal(await loadVersion(directory), 1);
  assert.deepEqual(await fs.readdir(directory), ['index.twindex']);

  const late = new AbortController();
  await storage.save('index', contentOf(3), { directory, signal: late.signal });
  late.abort(reason);
  assert.equal(await loadVersion(directory), 3);
});

test('a chunk that is detached meanwhile fails the save, not the store', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(1), { directory });
  const [head, ...rest] = contentOf(2);
  assert.ok(head);
  const detach = () => structuredClone(head.buffer, { transfer: [head.buffer] });
  const chunks = [trap(new Uint8Array(8), detach), ...rest];
  await assert.rejects(storage.save('index', chunks, { directory }), TypeError);
  assert.equal(await loadVersion(directory), 1);
  assert.deepEqual(await fs.readdir(directory), ['index.twindex']);
});

test('a store that is replaced or removed while it is read stays whole for its reader', async (t) => {
  const directory = await newFolder(t);
  for (const change of [() => storage.save('index', contentOf(2), { directory }), () => storage.remove('index', { directory })]) {
    await storage.save('index', contentOf(1, 9 << 20), { directory });
    const version = await storage.load('index', { directory }, async (saved) => {
      const reader = saved.stream().getReader();
      const first = await reader.read();
      assert.ok(first.value);
      await change();
      const pieces = [first.value];
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) pieces.push(piece.value);
      return versionOf(Buffer.concat(pieces));
    });
    assert.equal(version, 1);
  }
});

test('what reading throws comes out of load as it is', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(1), { directory });
  const own = Object.assign(new Error('not a store'), { code: 'ENOENT' });
  await assert.rejects(
    storage.load('index', { directory }, () => {
      throw own;
    }),
    (error) => error === own,
  );
});

test('a file that is replaced keeps its permissions', async (t) => {
  const directory = await newFolder(t);
  const file = join(directory, 'index.twindex');
  for (const mode of [0o600, 0o664, 0o640]) {
    await storage.save('index', contentOf(1), { directory });
    await fs.chmod(file, mode);
    await storage.save('index', contentOf(2), { directory });
    assert.equal((await fs.stat(file)).mode & 0o7777, mode);
  }
});

test('changes of one name happen in the order they were asked for', async (t) => {
  const directory = await newFolder(t);
  const failing = storage.save('index', [trap(new Uint8Array(8), () => assert.fail('on purpose'))], { directory });
  const changes = [
    storage.save('index', contentOf(1, 8 << 20), { directory }),
    storage.save('index', contentOf(2, 1 << 10), { directory }),
    storage.remove('index', { directory }),
    storage.remove('index', { directory }),
    storage.save('index', contentOf(3, 1 << 10), { directory }),
  ];
  await assert.rejects(failing, /on purpose/);
  assert.deepEqual(await Promise.all(changes), [undefined, undefined, true, false, undefined]);
  assert.equal(await loadVersion(directory), 3);
});

test('a process killed at any chunk leaves the old store, and the next saves clean up once it is surely dead', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(1), { directory });
  const deaths = contentOf(2).flatMap((chunk, i) => (chunk.length > 0 ? i : []));
  for (const at of deaths) {
    const [, signal] = await once(startSaver(directory, 'index', 2, 2, 1 << 16, at), 'exit');
    assert.equal(signal, 'SIGKILL');
    assert.equal(await loadVersion(directory), 1);
    assert.deepEqual(await storage.list({ directory }), ['index']);
  }
  const left = await hiddenFiles(directory);
  assert.equal(left.length, deaths.length);

  await storage.save('other', contentOf(1), { directory });
  assert.deepEqual(await hiddenFiles(directory), left, 'they may be of a live process of another machine');
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  const others = ['.index.twindex.tmp', '.notes.tmp', 'index.twindex.1-0.tmp'];
  for (const file of others) await fs.writeFile(join(directory, file), '');
  await fs.writeFile(join(directory, '.index.twindex.4711-12.tmp'), 'of the native library');
  for (const file of await fs.readdir(directory)) await fs.utimes(join(directory, file), longAgo, longAgo);
  await storage.save('other', contentOf(2), { directory });
  assert.deepEqual((await fs.readdir(directory)).sort(), [...others, 'index.twindex', 'other.twindex'].sort());
});

test('a process killed at any moment leaves the old store or the new one', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(0), { directory });
  let before = 0;
  for (let round = 0; round < 30; round++) {
    const saver = startSaver(directory, 'index', before + 1, before + 1000, 8 << 20);
    let started = before;
    saver.on('message', (version) => (started = Number(version)));
    await once(saver, 'message');
    await sleep(Math.random() * 120);
    saver.kill('SIGKILL');
    await once(saver, 'exit');
    const found = await loadVersion(directory);
    assert.ok(found >= Math.max(before, started - 1) && found <= started + 1, `${found} after ${before}, ${started} begun`);
    assert.deepEqual(await storage.list({ directory }), ['index']);
    for (const file of await hiddenFiles(directory)) await fs.rm(join(directory, file));
    before = found;
  }
});

test('processes and workers that save one name at once do not disturb each other or readers', async (t) => {
  const directory = await newFolder(t);
  await storage.save('index', contentOf(0), { directory });
  const args = (/** @type {number} */ i) => [directory, 'index', i * 100, i * 100 + 29, 1 << 18].map(String);
  const processes = [1, 2].map((i) => startSaver(...args(i)));
  const workers = [3, 4].map((i) => new Worker(SAVER, { workerData: args(i) }));
  let running = true;
  const exits = Promise.all([...processes, ...workers].map((saver) => once(saver, 'exit'))).finally(() => (running = false));
  const seen = new Set();
  while (running) seen.add(await loadVersion(directory));
  assert.deepEqual((await exits).map(([code]) => code), [0, 0, 0, 0]);
  assert.ok(seen.size > 1, 'versions were seen to change');
  assert.ok([129, 229, 329, 429].includes(await loadVersion(directory)), 'the last save of one of them came last');
  assert.deepEqual(await fs.readdir(directory), ['index.twindex']);
});

test('the storage of browsers says so where there is none', async () => {
  const { storage: web } = await import('../../wasm/js/storage-web.mjs');
  const unavailable = isError('storage_unavailable', /^there is no storage here$/);
  await assert.rejects(web.save('index', contentOf(1)), unavailable);
  await assert.rejects(web.load('index', {}, readAll), unavailable);
  await assert.rejects(web.list(), unavailable);
  await assert.rejects(web.remove('index'), unavailable);
});

test('files are those of the native library, both ways', async (t) => {
  const native = join(process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target'), 'release/twindex');
  const run = (/** @type {string[]} */ ...args) => {
    const { status, stdout, stderr, error } = spawnSync(native, args, { encoding: 'utf8' });
    assert.equal(status, 0, error?.message ?? stderr);
    return stdout;
  };
  const directory = await newFolder(t);
  run('build', join(REPOSITORY, 'README.md'), '-o', directory, '--embeddings', 'lexical', '--quiet');
  run('build', join(REPOSITORY, 'README.md'), '-o', directory, '--embeddings', 'lexical', '--quiet', '--index-name', 'b: c');
  assert.deepEqual(await storage.list({ directory }), ['b: c', 'index']);
  const bytes = await storage.load('index', { directory }, readAll);
  assert.deepEqual(Buffer.from(bytes), await fs.readFile(join(directory, 'index.twindex')));

  const described = JSON.parse(run('info', directory, '--json'));
  await storage.remove('index', { directory });
  await storage.save('index', [bytes.subarray(0, 7), bytes.subarray(7)], { directory });
  assert.deepEqual(JSON.parse(run('info', directory, '--json')), described);
  assert.ok(described.count > 0);
});
