// @ts-check
/** The examples of the package's README, as they stand there: in Node, and in pages. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { project } from './langchain.project.mjs';
import { launch } from './lib/browsers.mjs';
import { serve } from './lib/serve.mjs';

const REPOSITORY = new URL('../../', import.meta.url);

/** @param {string} path */
const read = (path) => readFileSync(new URL(path, REPOSITORY), 'utf8');

/** The texts of a folder's files. @param {string} path @param {RegExp} [name] */
const textsIn = (path, name = /./) => readdirSync(new URL(path, REPOSITORY)).filter((file) => name.test(file)).map((file) => read(path + file));

const README = read('wasm/README.md');

/** @param {string} text @param {RegExp} pattern */
const captured = (text, pattern) => [...text.matchAll(pattern)].map(([, found = '']) => found);

test('the README shows the very files that are run here, and no other code', () => {
  const shown = captured(README, /^```(?:html|js)\n(.*?)^```$/gms);
  assert.deepEqual(shown.toSorted(), textsIn('wasm/examples/').toSorted());
  assert.deepEqual(captured(README, /^```(\w+)$/gm).toSorted(), ['html', 'js', 'js', 'js', 'js', 'js', 'js', 'sh']);
});

/** Without the real model a small one of random weights takes its place, which finds something. */
const REAL = process.env.TWINDEX_MODEL_DIR;
const TWINDEX_MODEL_DIR = REAL ?? fileURLToPath(new URL('tests/data/tiny_model', REPOSITORY));

/** @type {Record<string, RegExp>} */
const PRINTS = {
  'approximate.mjs': /^0\n$/,
  'embed.mjs': REAL ? /^a warm coat 384\n$/ : /^a .* 16\n$/,
  'files.mjs': /^LangChain folder \(Python, pickle protocol 4\) IndexFlatL2 \(Flat\) 2\n$/,
  'langchain.mjs': /^a spoon for soup\n$/,
  'node.mjs': /^0\.85 a bowl of soup { price: 7 }\n0\.83 a spoon for soup { price: 3 }\n$/,
  'worker.mjs': /^0 0\n$/,
};

for (const [name, prints] of Object.entries(PRINTS)) {
  test(`${name} runs in Node`, () => {
    copyFileSync(new URL(`wasm/examples/${name}`, REPOSITORY), join(project, name));
    const { status, stdout, stderr } = spawnSync(process.execPath, [name], { cwd: project, encoding: 'utf8', env: { ...process.env, TWINDEX_MODEL_DIR } });
    assert.equal(stderr, '');
    assert.match(stdout, prints);
    assert.equal(status, 0);
  });
}

for (const browserName of /** @type {const} */ (['chromium', 'firefox'])) {
  test(`browser.html runs in ${browserName}`, async (t) => {
    copyFileSync(new URL('wasm/examples/browser.html', REPOSITORY), join(project, 'browser.html'));
    const site = await serve(project);
    t.after(() => site.close());
    const browser = await launch(browserName);
    t.after(() => browser.close());
    const page = await browser.open(`${site.url}/browser.html`);
    let text = '';
    while (text === '' && page.problems.length === 0) {
      text = await page.evaluate(() => document.body?.textContent ?? '', null);
      await sleep(20);
    }
    assert.deepEqual(page.problems, []);
    assert.equal(text, 'a spoon for soup: 0.83');
  });
}

test('the README lists every code that an error can have', () => {
  const core = captured(read('core/src/error.rs'), /=> "([a-z_]+)"/g);
  const ofModels = captured(read('core/embed/src/error.rs'), /=> "([a-z_]+)"/g);
  const named = captured(/^What is wrong with a model: .*?^$/ms.exec(README)?.[0] ?? '', /`([a-z_]+)`/g);
  assert.deepEqual(named.toSorted(), ofModels.toSorted());
  const own = textsIn('wasm/js/', /\.mjs$/).flatMap((text) => captured(text, /'([a-z]+(?:_[a-z]+)+)'/g));
  const ownInRust = textsIn('wasm/src/').flatMap((text) => captured(text, /(?:Failure::new\(|code: |&str = )\s*"([a-z_]+)"/g));
  const listed = captured(README, /^\| `([a-z_]+)` \|/gm);
  const elsewhere = captured(/^.*are of the Rust library alone\.$/m.exec(README)?.[0] ?? '', /`([a-z_]+)`/g);
  assert.deepEqual([...listed, ...elsewhere].toSorted(), [...new Set([...core, ...own, ...ownInRust])].toSorted());
});
