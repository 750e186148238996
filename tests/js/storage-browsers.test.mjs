// @ts-check
/** The storage of browsers, in Chromium and in Firefox, in pages and in workers, in files and in the database. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serve } from './lib/serve.mjs';
import { INSECURE_HOST, launch } from './storage/browser.mjs';

/** @typedef {Awaited<ReturnType<typeof launch>>} Browser */

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = '/tests/js/storage/page.html';
const MB = 1 << 20;

const BROWSERS = /** @type {const} */ (['chromium', 'firefox']);
const PLACES = /** @type {const} */ (['page', 'worker']);

/** Where stores end up: in files, in the database of a browser that has no files to write, in that of a page without TLS and so without locks. */
const KINDS = /** @type {const} */ (['files', 'database', 'database without locks']);

/** @typedef {typeof KINDS[number]} Kind */

/**
 * An origin that nothing is stored in yet, and the address of the page that stores in one way or another.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('./lib/serve.mjs').ServeOptions} [options]
 */
async function newOrigin(t, options) {
  const site = await serve(REPOSITORY, { routes: { '/never': () => new Promise(() => {}) }, ...options });
  t.after(() => site.close());
  /** @param {Kind} [kind] */
  const address = (kind = 'files') => {
    const url = new URL(PAGE, site.url);
    if (kind === 'database') url.searchParams.set('without', 'files');
    if (kind === 'database without locks') url.hostname = INSECURE_HOST;
    return url.href;
  };
  return { address };
}

/**
 * A browser that can die and come back with the same profile.
 *
 * @param {import('node:test').TestContext} t
 * @param {'chromium' | 'firefox'} name
 */
async function newMortal(t, name) {
  const profile = await mkdtemp(join(tmpdir(), `twindex-${name}-`));
  let browser = await launch(name, { profile });
  const close = async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  t.after(close);
  return {
    close,
    open: (/** @type {string} */ url) => browser.open(url),
    async die() {
      await browser.kill();
      browser = await launch(name, { profile });
    },
  };
}

/** @param {string} code @param {RegExp} [message] */
function isError(code, message = /./) {
  return (/** @type {any} */ error) => {
    assert.equal(error.code, code, error.message);
    assert.equal(error.name, 'VectorStoreError');
    assert.match(error.message, message);
    return true;
  };
}

/**
 * What is kept of one store, and nothing beside it.
 *
 * @param {Kind} kind
 * @param {number} size
 */
function onlyIndex(kind, size) {
  return kind === 'files'
    ? { files: [`twindex/index.twindex ${size}`], keys: [] }
    : { files: [], keys: ['twindex/index'] };
}

/**
 * The latest version of which a tab told that it was saved.
 *
 * @param {import('./storage/browser.mjs').Tab} tab
 * @param {string} store
 * @param {number} before what was there before
 */
async function lastSaved(tab, store, before) {
  const told = (await tab.allTold()).filter((word) => word.startsWith(`${store} `));
  return told.length > 0 ? Number(told.at(-1)?.slice(store.length)) : before;
}

for (const name of BROWSERS) {
  for (const kind of KINDS) {
    describe(`${name}, ${kind}`, () => {
      /** @type {Browser} */
      let browser;
      before(async () => (browser = await launch(name)));
      after(() => browser.close());

      for (const where of PLACES) {
        test(`in a ${where}, what is saved is loaded, replaced, listed and removed`, async (t) => {
          const { address } = await newOrigin(t);
          const tab = await browser.open(address(kind));
          assert.deepEqual(await tab.call(where, 'list'), []);
          assert.equal(await tab.call(where, 'remove', 'index'), false);
          await assert.rejects(tab.call(where, 'load', 'index'), isError('file_not_found', /no store "index" in "twindex"/));
          assert.deepEqual(await tab.call(where, 'everything'), { files: [], keys: [] });
          for (const [version, length] of [16, 4096, 9 * MB, 20].entries()) {
            await tab.call(where, 'save', 'index', version, length);
            assert.equal(await tab.call(where, 'load', 'index'), version);
            assert.deepEqual(await tab.call(where, 'everything'), onlyIndex(kind, length));
          }
          for (const other of ['b', 'B', 'ä', 'a']) await tab.call(where, 'save', other, 7, 64);
          assert.deepEqual(await tab.call(where, 'list'), ['B', 'a', 'b', 'index', 'ä']);
          assert.equal(await tab.call(where, 'remove', 'b'), true);
          assert.equal(await tab.call(where, 'remove', 'b'), false);
          await assert.rejects(tab.call(where, 'load', 'b'), isError('file_not_found'));
          assert.deepEqual(await tab.call(where, 'list'), ['B', 'a', 'index', 'ä']);
          assert.deepEqual(tab.problems, []);
          await tab.close();
        });

        test(`in a ${where}, directories keep stores apart`, async (t) => {
          const { address } = await newOrigin(t);
          const tab = await browser.open(address(kind));
          await tab.call(where, 'save', 'index', 1, 64, 'one');
          await tab.call(where, 'save', 'index', 2, 64, 'one more');
          assert.equal(await tab.call(where, 'load', 'index', 'one'), 1);
          assert.equal(await tab.call(where, 'load', 'index', 'one more'), 2);
          assert.deepEqual(await tab.call(where, 'list', 'one'), ['index']);
          assert.deepEqual(await tab.call(where, 'list'), []);
          assert.equal(await tab.call(where, 'remove', 'index', 'one'), true);
          assert.deepEqual(await tab.call(where, 'list', 'one'), []);
          assert.deepEqual(await tab.call(where, 'list', 'one more'), ['index']);
          assert.deepEqual(await tab.call(where, 'directories'), ['invalid_argument']);
          await tab.close();
        });

        test(`in a ${where}, names are the same as in files of the native library`, async (t) => {
          const { address } = await newOrigin(t);
          const tab = await browser.open(address(kind));
          assert.deepEqual(await tab.call(where, 'names'), []);
          await tab.close();
        });

        test(`in a ${where}, a save that is aborted or fails leaves the old store`, async (t) => {
          const { address } = await newOrigin(t);
          const tab = await browser.open(address(kind));
          await tab.call(where, 'save', 'index', 1, 4096);
          const outcomes = await tab.call(where, 'aborts', 'index');
          assert.ok(Object.keys(outcomes).length >= 9);
          for (const [moment, outcome] of Object.entries(outcomes)) assert.equal(outcome, 'reason', moment);
          assert.equal(await tab.call(where, 'detached', 'index'), 'TypeError');
          assert.equal(await tab.call(where, 'ownError', 'index'), true);
          assert.equal(await tab.call(where, 'load', 'index'), 1);
          assert.deepEqual(await tab.call(where, 'everything'), onlyIndex(kind, 4096));
          let kept = 1;
          for (let round = 2; round < 14; round++) {
            const outcome = await tab.call(where, 'abortAfter', Math.random() * 120, 'index', round, 6 * MB);
            assert.ok(['saved', 'aborted'].includes(outcome), JSON.stringify(outcome));
            if (outcome === 'saved') kept = round;
            assert.equal(await tab.call(where, 'load', 'index'), kept);
          }
          assert.deepEqual(tab.problems, []);
          await tab.close();
        });

        test(`a tab closed while its ${where} saves leaves an old store or a newer one`, async (t) => {
          const { address } = await newOrigin(t);
          let tab = await browser.open(address(kind));
          await tab.call(where, 'save', 'index', 0, 2 * MB);
          let kept = 0;
          for (let round = 0; round < 6; round++) {
            await tab.call(where, 'keepSaving', 'index', kept + 1, 2 * MB);
            await tab.call(where, 'keepSaving', `other ${round}`, 1, MB);
            // On a machine however busy: it is closed some time after it has saved twice.
            while ((await lastSaved(tab, 'index', kept)) < kept + 2) await sleep(10);
            await sleep(Math.random() * 100);
            const saved = await lastSaved(tab, 'index', kept);
            await tab.close();
            tab = await browser.open(address(kind));
            kept = await tab.call(where, 'load', 'index');
            assert.ok(kept >= saved, `version ${kept} is older than ${saved}, which was saved`);
            for (const listed of await tab.call(where, 'list')) await tab.call(where, 'load', listed);
          }
          assert.ok(kept >= 12, 'it saved twice in each of six rounds');
          for (const listed of await tab.call(where, 'list')) await tab.call(where, 'remove', listed);
          assert.deepEqual(await tab.call(where, 'everything'), { files: [], keys: [] });
          await tab.close();
        });
      }

      test('a tab closed in the middle of a save leaves the old store, and the next save cleans up', async (t) => {
        const { address } = await newOrigin(t);
        const tab = await browser.open(address(kind));
        await tab.call('page', 'save', 'index', 1, 4096);
        for (const stored of ['index', 'fresh']) {
          const dying = await browser.open(address(kind));
          await dying.call('worker', 'hang', stored, 2, 12 * MB);
          await dying.told('hangs');
          await dying.close();
        }
        assert.equal(await tab.call('page', 'load', 'index'), 1);
        assert.deepEqual(await tab.call('page', 'list'), ['index']);
        await assert.rejects(tab.call('page', 'load', 'fresh'), isError('file_not_found'));
        await tab.call('page', 'save', 'index', 3, 64);
        assert.deepEqual(await tab.call('page', 'everything'), onlyIndex(kind, 64));
        await tab.close();
      });

      test('what a worker saves its page finds, and the other way round', async (t) => {
        const { address } = await newOrigin(t);
        const tab = await browser.open(address(kind));
        await tab.call('worker', 'save', 'index', 1, 4096);
        assert.equal(await tab.call('page', 'load', 'index'), 1);
        await tab.call('page', 'save', 'index', 2, 4096);
        assert.equal(await tab.call('worker', 'load', 'index'), 2);
        assert.deepEqual(await tab.call('worker', 'list'), ['index']);
        assert.equal(await tab.call('worker', 'remove', 'index'), true);
        assert.equal(await tab.call('page', 'remove', 'index'), false);
        await tab.close();
      });

      test('tabs and workers that save one name at once do not disturb each other', async (t) => {
        const { address } = await newOrigin(t);
        const tabs = [await browser.open(address(kind)), await browser.open(address(kind)), await browser.open(address(kind))];
        const watching = await browser.open(address(kind));
        await watching.call('page', 'save', 'index', 99, MB / 4);
        const watched = watching.call('worker', 'watch');
        const seen = await Promise.all(
          tabs.flatMap((tab, i) => PLACES.map((where, j) => tab.call(where, 'churn', 'index', (2 * i + j) * 100, (2 * i + j) * 100 + 9, MB / 4))),
        );
        assert.deepEqual(seen.map((versions) => versions.length), Array(6).fill(10));
        await watching.call('worker', 'letGo');
        const lists = await watched;
        assert.ok(lists.length > 5);
        assert.deepEqual([...new Set(lists)], ['index'], 'it was always there, and nothing else');
        await watching.close();
        const [tab] = tabs;
        assert.ok(tab);
        assert.equal((await tab.call('page', 'load', 'index')) % 100, 9);
        assert.deepEqual(await tab.call('page', 'everything'), onlyIndex(kind, MB / 4));
        for (const each of tabs) {
          assert.deepEqual(each.problems, []);
          await each.close();
        }
      });

      test('a store that is replaced or removed while another tab reads it stays whole for that tab', async (t) => {
        const { address } = await newOrigin(t);
        const [reading, changing] = [await browser.open(address(kind)), await browser.open(address(kind))];
        const changes = [
          () => changing.call('page', 'save', 'index', 2, 9 * MB),
          () => changing.call('page', 'remove', 'index'),
        ];
        for (const change of changes) {
          await changing.call('page', 'save', 'index', 1, 9 * MB);
          const read = reading.call('worker', 'readSlowly', 'index');
          await reading.told('reads');
          const changed = change();
          await sleep(300); // time enough to change it, if it can be
          await reading.call('worker', 'letGo');
          assert.equal(await read, 1);
          await changed;
          await reading.driver.evaluate(() => /** @type {any} */ (globalThis).told.splice(0));
        }
        assert.deepEqual(await changing.call('page', 'list'), []);
        await reading.close();
        await changing.close();
      });

      test('the database can be deleted by others at any time', async (t) => {
        const { address } = await newOrigin(t);
        const tab = await browser.open(address(kind));
        await tab.call('page', 'save', 'index', 1, 4096);
        assert.equal(await tab.call('page', 'clearDatabase'), true);
        assert.deepEqual(await tab.call('page', 'list'), kind === 'files' ? ['index'] : []);
        await tab.call('page', 'save', 'index', 2, 4096);
        assert.equal(await tab.call('page', 'load', 'index'), 2);
        await tab.close();
      });
    });
  }

  describe(`${name}, short of room`, () => {
    /** @type {Browser} */
    let browser;
    // Firefox gives a site a fifth of this, in KB, and at least 10 MB.
    before(async () => (browser = await launch(name, { prefs: { 'dom.quotaManager.temporaryStorage.fixedLimit': 51200 } })));
    after(() => browser.close());

    for (const kind of KINDS) {
      test(`in ${kind}, a save that finds no room keeps the old store and leaves nothing`, async (t) => {
        const { address } = await newOrigin(t);
        const tab = await browser.open(address(kind));
        if (name === 'chromium') {
          const session = await tab.driver.createCDPSession();
          await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(address(kind)).origin, quotaSize: 10 * MB });
        }
        for (const where of PLACES) {
          await tab.call(where, 'save', 'index', 1, MB);
          await assert.rejects(tab.call(where, 'save', 'index', 2, 32 * MB), (/** @type {any} */ error) => {
            assert.equal(error.cause, 'QuotaExceededError');
            return isError('quota_exceeded', /^cannot save "index": ./)(error);
          });
          await assert.rejects(tab.call(where, 'save', 'fresh', 2, 32 * MB), isError('quota_exceeded'));
          assert.equal(await tab.call(where, 'load', 'index'), 1);
          assert.deepEqual(await tab.call(where, 'everything'), onlyIndex(kind, MB));
          assert.equal(await tab.call(where, 'remove', 'index'), true);
        }
        await tab.close();
      });
    }
  });

  test(`${name}: a browser that learned to write files finds and replaces what it kept in the database`, async (t) => {
    const browser = await launch(name);
    t.after(() => browser.close());
    const { address } = await newOrigin(t);
    const old = await browser.open(address('database'));
    for (const store of ['index', 'other', 'third']) await old.call('page', 'save', store, 1, 4096);
    const tab = await browser.open(address('files'));
    for (const where of PLACES) {
      assert.deepEqual(await tab.call(where, 'list'), ['index', 'other', 'third']);
      assert.equal(await tab.call(where, 'load', 'index'), 1);
    }
    await tab.call('page', 'save', 'index', 2, 4096);
    assert.deepEqual(await tab.call('page', 'everything'), {
      files: ['twindex/index.twindex 4096'],
      keys: ['twindex/other', 'twindex/third'],
    });
    // Both have it, as when the tab was closed between writing the file and deleting the entry: the file is the newer one.
    await old.call('page', 'save', 'index', 1, 4096);
    assert.equal(await tab.call('worker', 'load', 'index'), 2);
    assert.deepEqual(await tab.call('worker', 'list'), ['index', 'other', 'third']);
    for (const store of ['index', 'other']) assert.equal(await tab.call('worker', 'remove', store), true);
    assert.deepEqual(await tab.call('page', 'everything'), { files: [], keys: ['twindex/third'] });
  });

  for (const kind of KINDS) {
    test(`${name}, ${kind}: a browser killed in the middle of a save leaves the old store, and the next change cleans up`, async (t) => {
      const { address } = await newOrigin(t);
      const mortal = await newMortal(t, name);
      const tab = await mortal.open(address(kind));
      await tab.call('page', 'save', 'index', 1, 4096);
      await tab.call('worker', 'hang', 'index', 2, 12 * MB);
      await tab.told('hangs');
      const second = await mortal.open(address(kind));
      await second.call('worker', 'hang', 'fresh', 2, 12 * MB);
      await second.told('hangs');

      await mortal.die();
      const next = await mortal.open(address(kind));
      assert.equal(await next.call('page', 'load', 'index'), 1);
      assert.deepEqual(await next.call('page', 'list'), ['index']);
      await next.call('page', 'remove', 'nothing');
      assert.deepEqual(await next.call('page', 'everything'), onlyIndex(kind, 4096));
      await next.call('page', 'save', 'index', 3, 64);
      assert.deepEqual(await next.call('page', 'everything'), onlyIndex(kind, 64));
    });

    test(`${name}, ${kind}: a browser killed at any moment leaves the old store or a newer one`, async (t) => {
      const { address } = await newOrigin(t);
      for (let round = 0; round < 3; round++) {
        // A new profile each time: the log of Chromium's database may not survive that its browser dies twice.
        const mortal = await newMortal(t, name);
        const tab = await mortal.open(address(kind));
        await tab.call('page', 'save', 'index', 0, MB / 4);
        await tab.call('worker', 'keepSaving', 'index', 1, MB / 4);
        await sleep(100 + Math.random() * 200);
        const saved = await lastSaved(tab, 'index', 0);

        await mortal.die();
        const next = await mortal.open(address(kind));
        const found = await next.call('page', 'load', 'index');
        assert.ok(found >= saved, `version ${found} is older than ${saved}, which was saved`);
        assert.deepEqual(await next.call('page', 'list'), ['index']);
        await mortal.close();
      }
    });
  }

  test(`${name}: a page that may not store anything is told so`, async (t) => {
    const browser = await launch(name);
    t.after(() => browser.close());
    const headers = { 'access-control-allow-origin': '*' };
    const { address } = await newOrigin(t, { headers, csp: 'sandbox allow-scripts' });
    const tab = await browser.open(address());
    for (const [act, ...args] of [['save', 'index', 1], ['load', 'index'], ['list'], ['remove', 'index']]) {
      await assert.rejects(tab.call('page', String(act), ...args), isError('storage_unavailable', /^cannot (save|load|list|remove) /));
    }
  });
}

test('firefox: a private window, which has no files, keeps stores in the database', async (t) => {
  const browser = await launch('firefox', { prefs: { 'browser.privatebrowsing.autostart': true } });
  t.after(() => browser.close());
  const { address } = await newOrigin(t);
  const tab = await browser.open(address());
  assert.equal(await tab.driver.evaluate(() => navigator.storage.getDirectory().catch((error) => error.name)), 'SecurityError');
  await tab.call('worker', 'save', 'index', 1, 9 * MB);
  assert.equal(await tab.call('page', 'load', 'index'), 1);
  assert.deepEqual(await tab.call('page', 'everything'), onlyIndex('database', 9 * MB));
  assert.equal(await tab.call('page', 'remove', 'index'), true);
  assert.deepEqual(await tab.call('worker', 'list'), []);
});
