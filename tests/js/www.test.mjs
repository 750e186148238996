// @ts-check
/**
 * The web app in real Chromium, as `scripts/www.sh --no-serve` built it: with its dictionary and its model. Screenshots for people to look at are left in
 * `www/screenshots`.
 *
 * Each test has an origin of its own, and so storage of its own.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { launch } from './lib/browsers.mjs';
import { serve } from './lib/serve.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('node:test').TestContext} TestContext */

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const SITE = join(REPOSITORY, 'www/dist');
const SCREENSHOTS = join(REPOSITORY, 'www/screenshots');
const FIXTURES = join(REPOSITORY, 'tests/data/fixtures');
const SPEECH = join(REPOSITORY, 'tests/data/sotu/sotu.txt');
const AXE = readFileSync(join(REPOSITORY, 'www/node_modules/axe-core/axe.min.js'), 'utf8');

/** What one visit may load without the model and the index, by gzip -9. */
const WEIGHT = 250_000;
/** Milliseconds of the processor that the page's own thread may take at a stretch while it searches. */
const STUTTER = 50;

/** What somebody might type, and a word that is the answer. */
const DESCRIPTIONS = /** @type {const} */ ([
  ['fear of being in open places', 'agoraphobia'],
  ['someone who collects coins', 'numismatist'],
  ['not being able to fall asleep', 'insomnia'],
  ['a group of many islands', 'archipelago'],
  ['to put off what should be done now', 'procrastinate'],
  ['the scientific study of birds', 'ornithology'],
  ['a person who hates mankind', 'misanthrope'],
  ['instrument that measures the pressure of the atmosphere', 'barometer'],
  ['longing for things that are past', 'nostalgia'],
  ['someone who walks around while asleep', 'sleepwalker'],
]);

assert.ok(existsSync(join(SITE, 'data/site.json')), 'the page is not built: run scripts/www.sh --no-serve');
const SITE_JSON = JSON.parse(readFileSync(join(SITE, 'data/site.json'), 'utf8'));

/** @type {Awaited<ReturnType<typeof launch>>} */
let browser;
/** @type {string} */
let folder;
before(async () => {
  browser = await launch('chromium');
  folder = await mkdtemp(join(tmpdir(), 'twindex-www-'));
  await mkdir(SCREENSHOTS, { recursive: true });
});
after(async () => {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * An origin that serves the page.
 *
 * @param {TestContext} t
 * @param {import('./lib/serve.mjs').ServeOptions['routes']} [routes]
 */
async function origin(t, routes = {}) {
  const site = await serve(SITE, { routes });
  /** @type {(() => Promise<void>)[]} */
  const leaving = [];
  leavings.set(t, leaving);
  // Pages leave first: what they still load is not to fail.
  t.after(async () => {
    for (const leave of leaving) await leave();
    await site.close().catch(() => {});
  });
  return site;
}

/** How the pages of a test are closed. */
const leavings = /** @type {WeakMap<TestContext, (() => Promise<void>)[]>} */ (new WeakMap());

/** The page without its model. */
const withoutModel = {
  '/data/site.json': (/** @type {unknown} */ _, /** @type {import('node:http').ServerResponse} */ response) =>
    void response.end(JSON.stringify({ ...SITE_JSON, model: null })),
};

/**
 * @param {TestContext} t
 * @param {string} url
 * @param {{ may?: RegExp, by?: typeof browser }} [options] errors of the console that belong to the test
 */
async function visit(t, url, { may, by = browser } = {}) {
  const opened = await by.open(url);
  const page = /** @type {Page} */ (opened.driver);
  leavings.get(t)?.push(async () => {
    await page.close({ runBeforeUnload: false }).catch(() => {});
    const problems = opened.problems.filter((problem) => may === undefined || !may.test(problem));
    assert.deepEqual(problems, []);
  });
  return page;
}

/** @param {Page} page */
const dictionaryIsReady = (page) => page.waitForSelector('[data-ready]', { timeout: 120_000 });

/**
 * Waits until texts are compared by meaning.
 *
 * @param {Page} page
 */
async function modelIsReady(page) {
  await dictionaryIsReady(page);
  await page.waitForFunction(() => document.querySelector('.note')?.checkVisibility() === false, null, { timeout: 180_000 });
}

/**
 * Types a question and waits for what is found for it.
 *
 * @param {Page} page
 * @param {string} question
 */
async function ask(page, question) {
  await page.fill('.question', question);
  await idle(page);
  return titles(page);
}

/**
 * Waits until what is shown is the answer to what is asked.
 *
 * @param {Page} page
 */
const idle = (page) => page.waitForFunction(() => document.querySelector('.hits')?.getAttribute('aria-busy') === 'false', null, { timeout: 120_000 });

/** @param {Page} page */
const titles = (page) => page.locator('.hit h3').allInnerTexts();

/** @param {Page} page */
const messages = (page) => page.locator('.message > p').allInnerTexts();

/**
 * @param {Page} page
 * @param {RegExp} pattern
 */
async function told(page, pattern) {
  await page.locator('.message > p').filter({ hasText: pattern }).first().waitFor({ timeout: 60_000 });
}

/**
 * @param {Page} page
 * @param {string | string[]} paths
 */
const give = (page, paths) => page.setInputFiles('[aria-label="Files to add"]', paths);

/**
 * Makes a file to give.
 *
 * @param {string} name
 * @param {string | Uint8Array} content
 */
async function fileOf(name, content) {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

/**
 * A file of a size, with nothing in it.
 *
 * @param {string} name
 * @param {number} bytes
 */
async function hollow(name, bytes) {
  const path = join(folder, name);
  const file = await open(path, 'w');
  await file.truncate(bytes);
  await file.close();
  return path;
}

/**
 * A PDF of one page.
 *
 * @param {string} text
 */
const pdf = (text) => pdfOf(`(${text})`, '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');

/**
 * A PDF of one page whose text is in a character set that it names and does not bring.
 *
 * @param {Uint8Array} codes the text in that set
 * @param {string} set the name of the set, such as `UniGB-UCS2-H`
 * @param {string} ordering Adobe's name of the characters in it, such as `GB1`
 */
const pdfIn = (codes, set, ordering) =>
  pdfOf(
    `<${Buffer.from(codes).toString('hex')}>`,
    `<< /Type /Font /Subtype /Type0 /BaseFont /Song /Encoding /${set} /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Song /CIDSystemInfo << /Registry (Adobe) /Ordering (${ordering}) /Supplement 2 >> /FontDescriptor << /Type /FontDescriptor /FontName /Song /Flags 4 >> >>] >>`,
  );

/**
 * @param {string} shown
 * @param {string} font
 */
function pdfOf(shown, font) {
  const stream = `BT /F1 12 Tf 40 700 Td ${shown} Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    font,
  ];
  let content = '%PDF-1.4\n';
  const places = objects.map((object, i) => {
    const at = content.length;
    content += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return at;
  });
  const table = places.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('');
  return `${content}xref\n0 6\n0000000000 65535 f \n${table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n${content.length}\n%%EOF\n`;
}

/** @param {Page} page */
async function axe(page) {
  // The policy of the page lets no other script in: this goes around it.
  const client = await page.context().newCDPSession(page);
  await client.send('Runtime.evaluate', { expression: AXE });
  const found = await client.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => JSON.stringify(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => html.slice(0, 200) + ' ' + failureSummary) }))))`,
    awaitPromise: true,
  });
  await client.detach();
  return JSON.parse(found.result.value);
}

describe('the dictionary', () => {
  test('finds ten words by their descriptions, each among the first five', async (t) => {
    assert.notEqual(SITE_JSON.model, null, 'there is no model: scripts/www.sh says why');
    const { url } = await origin(t);
    const page = await visit(t, url);
    await modelIsReady(page);
    /** @type {string[]} */
    const missed = [];
    /** @type {number[][]} */
    const times = [];
    for (const [description, word] of DESCRIPTIONS) {
      await ask(page, description);
      const first = await page.locator('.hit').evaluateAll((hits) => hits.slice(0, 5).map((hit) => (hit.querySelector('h3')?.textContent ?? '') + ', ' + (hit.querySelector('.also span')?.textContent ?? '')));
      if (!first.some((words) => words.split(', ').includes(word))) missed.push(`${description}: ${word} is not among ${first.join(' / ')}`);
      times.push(await page.locator('.status').evaluate((status) => [Number(/** @type {HTMLElement} */ (status).dataset['embedMs']), Number(/** @type {HTMLElement} */ (status).dataset['searchMs'])]));
    }
    const median = (/** @type {number} */ i) => times.map((time) => time[i] ?? 0).sort((a, b) => a - b)[times.length >> 1] ?? 0;
    t.diagnostic(`a question: embedded in ${median(0).toFixed(1)} ms, searched in ${median(1).toFixed(1)} ms (medians of ${times.length}, in the tab); natively ${SITE_JSON.native.questionMs.toFixed(1)} ms for both`);
    assert.deepEqual(missed, []);
  });

  test('filters, and says why each hit passed', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.check('input[value=verb]');
    await page.selectOption('select', 'verb.motion');
    const found = await ask(page, 'walk slowly');
    assert.ok(found.length >= 5, found.join());
    for (const why of await page.locator('.why').allInnerTexts()) assert.match(why, /part of speech verb · is verb\s+category verb\.motion · is verb\.motion/);
    for (const aside of await page.locator('.hit .aside').allInnerTexts()) assert.match(aside, /^verb · motion/);
  });

  test('shows a map of what was found, on which a dot keeps its category', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    const found = await ask(page, 'morbid fear');
    await page.locator('.map summary').click();
    const dots = page.locator('.field-of-map button');
    await dots.first().waitFor();
    assert.deepEqual(await dots.evaluateAll((all) => all.map((dot) => dot.title)), found);
    const groups = await page.locator('.legend li').allInnerTexts();
    assert.ok(groups.length > 2 && groups.includes('noun · state') && groups.at(-1) === 'what was asked', groups.join());

    const dot = page.locator('.field-of-map button[aria-label$="only category noun · state"]').first();
    const title = await dot.getAttribute('title');
    await dot.focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.legend li').length === 2);
    await idle(page);
    assert.equal(await page.inputValue('select'), 'noun.state');
    for (const aside of await page.locator('.hit .aside').allInnerTexts()) assert.equal(aside, 'noun · state');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('title')), title, 'the dot keeps the focus');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.legend li').length > 2);
    assert.deepEqual(await titles(page), found);

    await ask(page, 'qqqqq');
    assert.equal(await page.locator('.map').isVisible(), false);
  });

  test('gives more varied answers where that is switched on', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    const near = await ask(page, 'instrument that measures');
    await page.getByRole('switch', { name: 'More varied' }).check();
    await idle(page);
    const varied = await titles(page);
    assert.equal(near[0], varied[0]);
    assert.notDeepEqual(near, varied);
  });

  test('finds what is like an entry, by keyboard alone', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.keyboard.press('/');
    await page.keyboard.type('agoraphobia');
    await idle(page);
    assert.equal((await titles(page))[0], 'agoraphobia');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.likeness button');
    await idle(page);
    const like = await titles(page);
    assert.ok(like.some((word) => word.endsWith('phobia')), like.join());
    assert.ok(!like.includes('agoraphobia'));
    await page.keyboard.press('Escape');
    await idle(page);
    assert.equal((await titles(page))[0], 'agoraphobia');
  });

  test('says that there is no model, and matches words', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.getByText('There is no language model here').waitFor();
    const found = await ask(page, 'open spaces morbid fear');
    assert.ok(found.slice(0, 5).includes('agoraphobia'), found.join());
    assert.match((await page.textContent('.status')) ?? '', /by words/);
    const nonsense = await ask(page, 'qqqq');
    assert.deepEqual(nonsense, []);
  });

  test('is fetched again where the copy that is kept is damaged', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.evaluate(async () => {
      const cache = await caches.open('twindex-data');
      for (const request of await cache.keys()) await cache.put(request, new Response('rubbish'));
    });
    await page.reload();
    await dictionaryIsReady(page);
    assert.equal((await ask(page, 'agoraphobia'))[0], 'agoraphobia');
  });

  test('that did not arrive whole is told, and asked for again', async (t) => {
    let broken = true;
    const whole = readFileSync(join(SITE, 'data/dictionary.twindex'));
    const { url } = await origin(t, {
      ...withoutModel,
      '/data/dictionary.twindex': (_, response) => void response.end(broken ? whole.subarray(0, 1_000_000) : whole),
    });
    const page = await visit(t, url);
    await told(page, /The dictionary could not be opened\. .*did not arrive/);
    broken = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await dictionaryIsReady(page);
  });

  test('and what else there is: that nobody put it there is one thing, that it could not be read another', async (t) => {
    const good = JSON.stringify({ ...SITE_JSON, model: null });
    const cases = /** @type {[(response: import('node:http').ServerResponse) => void, RegExp][]} */ ([
      [(response) => response.writeHead(503).end(), /could not be read\. The server answered 503\./],
      [(response) => response.end('<!doctype html>'), /could not be read\. .*site\.json is damaged: it is not JSON/],
      [(response) => response.end('[]'), /site\.json is damaged: it is not an object/],
      [(response) => response.end('{"dictionary": {"url": "a"}}'), /site\.json is damaged: dictionary\.bytes is no number/],
      [(response) => response.destroy(), /could not be read\. The network failed/],
    ]);
    let answer = /** @type {(response: import('node:http').ServerResponse) => void} */ ((response) => response.writeHead(404).end());
    const { url } = await origin(t, { '/data/site.json': (_, response) => answer(response) });
    const page = await visit(t, url, { may: /404|503|ERR_EMPTY_RESPONSE/ });
    await page.getByText('There is no dictionary here.').waitFor();
    assert.deepEqual(await messages(page), []);
    for (const [bad, expected] of cases) {
      answer = bad;
      await page.reload();
      await told(page, expected);
      assert.equal(await page.getByText('There is no dictionary here.').count(), 0);
    }
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('meanwhile.txt', 'a lantern in the fog'));
    await told(page, /1 passage of 1 file/);
    await told(page, /Whether there is a language model could not be read\. The network failed/);
    assert.deepEqual(await ask(page, 'lantern'), ['meanwhile.txt']);

    answer = (response) => response.end(good);
    await page.click('nav a[href="#dictionary"]');
    await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Try again' }).click()]);
    await dictionaryIsReady(page);
    for (const [bad] of cases.filter((_, i) => i === 0 || i === 4)) {
      answer = bad;
      await page.reload();
      await dictionaryIsReady(page);
    }
  });

  test('a model that is damaged is told, and words are matched meanwhile', async (t) => {
    assert.notEqual(SITE_JSON.model, null);
    let broken = true;
    const weights = `/data/${SITE_JSON.model.url}model.safetensors`;
    const whole = readFileSync(join(SITE, weights));
    const { url } = await origin(t, { [weights]: (_, response) => void response.end(broken ? whole.subarray(0, 1000) : whole) });
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.getByText('The language model could not be loaded.').waitFor({ timeout: 60_000 });
    assert.equal((await ask(page, 'agoraphobia'))[0], 'agoraphobia');
    broken = false;
    await page.getByRole('button', { name: 'Fetch it again' }).click();
    await modelIsReady(page);
    await ask(page, 'fear of being in open places');
    assert.match((await page.textContent('.status')) ?? '', /by meaning/);
  });

  test('a model whose worker dies is started again', async (t) => {
    assert.notEqual(SITE_JSON.model, null);
    const { url } = await origin(t);
    const page = await visit(t, url, { may: /./ });
    await modelIsReady(page);
    await kill(page, 'embed-host');
    await ask(page, 'fear of being in open places');
    await modelIsReady(page);
    await idle(page);
    assert.equal((await titles(page))[0], 'agoraphobia');
    assert.match((await page.textContent('.status')) ?? '', /by meaning/);
  });

  test('a worker that dies is started again, and nothing is lost', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url, { may: /./ });
    await dictionaryIsReady(page);
    assert.equal((await ask(page, 'agoraphobia'))[0], 'agoraphobia');
    await kill(page);
    assert.equal((await ask(page, 'insomnia'))[0], 'insomnia');
    await told(page, /started again/);
  });
});

/**
 * Ends a worker, that with the stores unless told, as a browser does that runs out of memory.
 *
 * @param {Page} page
 * @param {string} name
 */
async function kill(page, name = 'worker-host') {
  const host = page.workers().find((worker) => worker.url().includes(name));
  assert.ok(host, page.workers().map((worker) => worker.url()).join());
  // An error that nobody catches is how a page learns of it.
  await host.evaluate(() => void setTimeout(() => { throw new Error('killed by a test'); }));
}

describe('your own text', () => {
  test('is indexed, kept, found after a reload, exported, removed and imported again', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    const notes = await fileOf('notes.md', '# Garden\n\n## Roses\n\nThey want sun, and pruning in March.\n\n## Soup\n\nLeek and potato, an hour on a small flame.\n');
    const letter = await fileOf('letter.html', '<title>Letter</title><script>document.title = "run"</script><p>The lighthouse keeper writes about whales.</p>');
    const lines = await fileOf('lines.jsonl', '{"id": "a", "text": "zebras gallop at dawn", "metadata": {"year": 2020}}\nnot json\n{"id": "b", "text": "owls sleep by day", "metadata": {"year": 1999}}\n');
    await page.locator('.drop').waitFor();
    await give(page, [SPEECH, notes, letter, lines, await fileOf('paper.pdf', pdf('A treatise on the migration of swallows'))]);
    await told(page, /passages of 5 files indexed/);
    await told(page, /1 of the lines of lines\.jsonl could not be read .*line 2/);
    /** @param {Page} on */
    const answers = async (on) => {
      assert.equal((await ask(on, 'pruning roses in March'))[0], 'notes.md');
      assert.equal((await ask(on, 'whales and a lighthouse'))[0], 'letter.html');
      assert.equal((await ask(on, 'migration of swallows'))[0], 'paper.pdf');
      assert.match((await on.locator('.hit').first().innerText()), /page 1/);
      assert.equal((await ask(on, 'Ketanji Brown Jackson'))[0], 'sotu.txt');
      assert.equal((await ask(on, 'zebras gallop'))[0], 'lines.jsonl');
    };
    await answers(page);
    await page.reload();
    await page.waitForSelector('.question:visible');
    await answers(page);

    await page.selectOption('[aria-label="Field of the metadata"]', 'year');
    await page.selectOption('[aria-label="Condition"]', 'at most');
    await page.fill('[aria-label="Value"]', '2000');
    assert.deepEqual(await ask(page, 'owls sleep'), ['lines.jsonl']);
    assert.match(await page.locator('.why').innerText(), /year 1999 · at most 2000/);
    await page.fill('[aria-label="Value"]', '');

    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    const download = await downloading;
    const exported = join(folder, 'exported.twindex');
    await download.saveAs(exported);
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.getByRole('button', { name: 'Remove it' }).click();
    await page.locator('.shelf').waitFor({ state: 'hidden' });
    await page.reload();
    await page.locator('.drop:not(.small)').waitFor();
    await give(page, exported);
    await told(page, /exported\.twindex is open/);
    await answers(page);
  });

  test('a folder is read whole, and a file that is given again takes the place of what it was', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await fileOf('tree/one.txt', 'walruses on the ice');
    await fileOf('tree/deep/two.md', 'penguins in the snow');
    await fileOf('tree/.hidden', 'nobody means this');
    await page.locator('.drop').waitFor();
    await page.setInputFiles('[aria-label="Folder to add"]', join(folder, 'tree'));
    await told(page, /2 passages of 2 files/);
    assert.equal(await page.locator('.shelf option:checked').innerText(), 'tree (by words)');
    assert.deepEqual(await page.locator('[aria-label="Field of the metadata"] option').allInnerTexts(), ['file', 'passage']);
    assert.equal((await ask(page, 'penguins'))[0], 'two.md');
    await fileOf('tree/deep/two.md', 'ostriches in the sand');
    await rm(join(folder, 'tree/one.txt'));
    await page.setInputFiles('[aria-label="Folder to add"]', join(folder, 'tree'));
    await page.getByRole('dialog').getByText('tree/deep/two.md is in “tree” already').waitFor();
    await page.getByRole('button', { name: 'Replace', exact: true }).click();
    await told(page, /1 passage of 1 file/);
    assert.equal((await ask(page, 'ostriches'))[0], 'two.md');
    assert.match((await page.textContent('.status')) ?? '', /of 2 passages/);
    assert.deepEqual(await ask(page, 'penguins'), []);
  });

  test('files of the same name are kept apart, unless one is to take the place of the other', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    const here = await fileOf('here/same.txt', 'herons by the river');
    const there = await fileOf('there/same.txt', 'kingfishers by the lake');
    await give(page, [here, there]);
    await told(page, /2 passages of 2 files/);
    assert.deepEqual(await ask(page, 'herons'), ['same.txt']);
    assert.deepEqual(await ask(page, 'kingfishers'), ['same (2).txt']);
    // What has no answer leaves all as it is.
    await give(page, await fileOf('elsewhere/same.txt', 'otters in the stream'));
    await page.getByRole('dialog').getByText('same.txt is in “My text” already').waitFor();
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press('Escape');
    await told(page, /1 passage of 1 file/);
    assert.deepEqual(await ask(page, 'herons'), ['same.txt']);
    assert.equal((await ask(page, 'otters'))[0], 'same (3).txt');
    await give(page, await fileOf('later/same.txt', 'egrets by the river'));
    await page.getByRole('button', { name: 'Replace', exact: true }).click();
    await told(page, /1 passage of 1 file/);
    assert.equal((await ask(page, 'egrets'))[0], 'same.txt');
    assert.ok(!(await ask(page, 'herons')).includes('same.txt'));
    assert.match((await page.textContent('.status')) ?? '', /among 3 passages/);
  });

  test('files that are dropped anywhere on the page are taken', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['otters in the stream'], 'dropped.txt'));
      const options = { dataTransfer, bubbles: true, cancelable: true };
      for (const type of ['dragenter', 'dragover', 'drop']) document.querySelector('footer')?.dispatchEvent(new DragEvent(type, options));
    });
    await told(page, /1 passage of 1 file/);
    assert.deepEqual(await ask(page, 'otters'), ['dropped.txt']);
    assert.equal(await page.evaluate(() => document.documentElement.classList.contains('dropping')), false);
  });

  test('files that are dropped while another page is shown are taken too', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['otters in the stream'], 'dropped.txt'));
      for (const type of ['dragenter', 'dragover', 'drop']) document.querySelector('h1')?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    });
    await told(page, /1 passage of 1 file/);
    assert.deepEqual(await ask(page, 'otters'), ['dropped.txt']);
  });

  test('an index and texts that are given at once are taken one after another', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('first.txt', 'herons by the river'));
    await told(page, /1 passage of 1 file/);
    await give(page, join(SITE, 'data/dictionary.twindex'));
    await give(page, SPEECH);
    // The texts find the index open, to which words cannot be added.
    await told(page, /Nothing can be added to “dictionary”/);
    await page.selectOption('[aria-label="Collection"]', { label: 'My text (by words)' });
    assert.deepEqual(await ask(page, 'herons'), ['first.txt']);
    assert.match((await page.textContent('.status')) ?? '', /of 1 passage/);
  });

  test('what the writing of a text runs to the left is shown so', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('hebrew.txt', 'שלום עולם, זה טקסט בעברית.'));
    await told(page, /1 passage of 1 file/);
    assert.deepEqual(await ask(page, 'שלום'), ['hebrew.txt']);
    const direction = (/** @type {string} */ selector) => page.locator(selector).first().evaluate((element) => getComputedStyle(element).direction);
    assert.equal(await direction('.passage p'), 'rtl');
    assert.equal(await direction('.question:visible'), 'rtl');
    assert.equal(await direction('.hit h3'), 'ltr');
  });

  test('vectors of 512 numbers are another model’s', async (t) => {
    const { VectorStore } = await import('../../wasm/dist/node.mjs');
    const store = await VectorStore.fromVectors([Float32Array.from({ length: 512 }, (_, i) => i)], [{ id: 'a', pageContent: 'a lantern in the fog' }], null, { distanceStrategy: 'cosine' });
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('clip.twindex', await store.serialize()));
    store.free();
    await page.getByText('These vectors come from another model').waitFor();
    assert.deepEqual(await ask(page, 'lantern'), ['a']);
  });

  test('fields that only some documents have are offered, wherever they lie', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    const lines = Array.from({ length: 1200 }, (_, i) => JSON.stringify({ text: `line ${i} of many`, metadata: i < 800 ? {} : { year: 1000 + i } }));
    await give(page, await fileOf('many.jsonl', lines.join('\n')));
    await told(page, /1,200 passages of 1 file/);
    await page.selectOption('[aria-label="Field of the metadata"]', 'year', { timeout: 5000 });
  });

  test('lies on the map as it is alike, and a dot keeps its file', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    const texts = { herons: 'a river where herons stand in the morning', engines: 'a river of diesel engines and pistons' };
    const files = Object.entries(texts).flatMap(([name, text]) => [1, 2, 3].map((i) => fileOf(`${name}${i}.txt`, `${text}, ${i}`)));
    await give(page, await Promise.all(files));
    await told(page, /6 passages of 6 files|6 files indexed/);
    await ask(page, 'river');
    await page.locator('.map summary').click();
    const dots = page.locator('.field-of-map button');
    await dots.first().waitFor();
    const places = await dots.evaluateAll((all) => all.map((dot) => ({ title: dot.title, x: dot.getBoundingClientRect().x, y: dot.getBoundingClientRect().y })));
    assert.equal(places.length, 6);
    for (const one of places) {
      const distance = (/** @type {typeof one} */ other) => Math.hypot(one.x - other.x, one.y - other.y);
      const [nearest] = places.filter((other) => other !== one).toSorted((a, b) => distance(a) - distance(b));
      assert.equal(nearest?.title.replace(/\d.*/, ''), one.title.replace(/\d.*/, ''), JSON.stringify(places));
    }
    await page.locator('.field-of-map button[title="engines2.txt"]').click();
    await page.waitForFunction(() => document.querySelectorAll('.hit').length === 1);
    assert.deepEqual(await titles(page), ['engines2.txt']);
    assert.equal(await page.inputValue('[aria-label="Value"]'), 'engines2.txt');
  });

  test('a hit that has the focus keeps it while the list is drawn anew', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('first.txt', 'herons by the river'));
    await told(page, /1 passage of 1 file/);
    await ask(page, 'herons');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await give(page, await fileOf('second.txt', 'kingfishers by the lake'));
    await page.getByText('2 passages').first().waitFor();
    await page.locator('.job').waitFor({ state: 'hidden' });
    await idle(page);
    assert.equal(await page.evaluate(() => document.activeElement?.closest('.hit summary')?.firstChild?.textContent), 'Metadata');
    assert.equal(await page.locator('.hit dl').isVisible(), true);
  });

  test('LangChain folders and FAISS files open', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, ['index.faiss', 'index.pkl'].map((name) => join(FIXTURES, 'langchain/flat_l2', name)));
    await told(page, /LangChain folder \(Python.*IndexFlatL2.*60 documents/);
    await page.getByText('These vectors come from another model').waitFor();
    await give(page, join(FIXTURES, 'faiss/ivf_flat_l2.faiss'));
    await told(page, /ivf_flat_l2\.faiss is open: .*IndexIVFFlat/);
    await give(page, ['docstore.json', 'faiss.index'].map((name) => join(FIXTURES, 'langchainjs/basic', name)));
    await told(page, /is open: LangChain\.js folder, IndexFlatL2.*25 documents/);
    assert.equal(await page.locator('.shelf option').count(), 3);
  });

  test('is embedded by the model, can be searched meanwhile, and cancelled', async (t) => {
    assert.notEqual(SITE_JSON.model, null);
    const { url } = await origin(t);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    // Long enough that a fast machine is still at it when the search is done.
    await give(page, await fileOf('speeches.txt', Array(30).fill(await readFile(SPEECH, 'utf8')).join('\n\n')));
    await page.getByText('Search works meanwhile').waitFor({ timeout: 180_000 });
    await page.waitForFunction(() => Number(/(\d+) passages,/.exec(document.querySelector('.job p')?.textContent ?? '')?.[1] ?? 0) >= 64, null, { timeout: 120_000 });
    const during = await ask(page, 'war in Europe');
    assert.ok(during.length > 0);
    assert.equal(await page.locator('.job').isVisible(), true);
    // By words, too, and these are read once: later passages join them.
    const passages = async () => Number(/(\d+) passages,/.exec((await page.textContent('.job p')) ?? '')?.[1] ?? 0);
    await page.check('input[value=words]');
    assert.ok((await ask(page, 'Ketanji Brown Jackson')).length > 0);
    await page.evaluate(() => {
      /** @type {string[]} */
      const said = [];
      const status = /** @type {HTMLElement} */ (document.querySelector('.status'));
      new MutationObserver(() => said.push(status.textContent ?? '')).observe(status, { childList: true });
      Object.assign(globalThis, { said });
    });
    const indexed = await passages();
    await page.waitForFunction((least) => Number(/(\d+) passages,/.exec(document.querySelector('.job p')?.textContent ?? '')?.[1] ?? 0) >= least, indexed + 32, { timeout: 120_000 });
    assert.ok((await ask(page, 'Ketanji Brown')).length > 0);
    assert.deepEqual((await page.evaluate(() => /** @type {{ said: string[] }} */ (/** @type {unknown} */ (globalThis)).said)).filter((status) => /^Reading the words/.test(status)), []);
    await page.check('input[value=meaning]');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await told(page, /^Cancelled\. The \d+ passages/);
    await page.reload();
    await page.waitForSelector('.question:visible');
    await modelSettled(page);
    await ask(page, 'war in Europe');
    assert.match((await page.textContent('.status')) ?? '', /by meaning/);
    assert.match(await page.locator('.hit').first().innerText(), /Ukrain|Putin|Russia/);
  });

  test('PDFs in Chinese and Japanese that bring no character set are read, without a network too', async (t) => {
    const site = await origin(t, withoutModel);
    const page = await visit(t, site.url, { may: /ERR_CONNECTION_REFUSED|Failed to (load|fetch)/ });
    await dictionaryIsReady(page);
    await page.getByText('Works offline').waitFor({ timeout: 60_000 });
    await site.close();
    await page.reload();
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    const chinese = Buffer.from('候鸟每年秋天向南迁徙', 'utf16le').swap16();
    const japanese = Uint8Array.of(0x93, 0x94, 0x91, 0xe4, 0x82, 0xcc, 0x8c, 0x7e); // 灯台の鯨, in Shift JIS
    await give(page, [await fileOf('chinese.pdf', pdfIn(chinese, 'UniGB-UCS2-H', 'GB1')), await fileOf('japanese.pdf', pdfIn(japanese, '90ms-RKSJ-H', 'Japan1'))]);
    await told(page, /2 passages of 2 files/);
    await ask(page, '候鸟每年秋天向南迁徙');
    assert.equal(await page.locator('.passage').first().innerText(), '候鸟每年秋天向南迁徙');
    await ask(page, new TextDecoder('shift_jis').decode(japanese));
    assert.equal(await page.locator('.passage').first().innerText(), new TextDecoder('shift_jis').decode(japanese));
  });

  test('is what searches can be compared on, exact ones with the loop', async (t) => {
    const { VectorStore } = await import('../../wasm/dist/node.mjs');
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#compare`);
    const compare = async () => {
      await page.locator('table').evaluateAll((tables) => tables.forEach((table) => table.remove()));
      await page.getByRole('button', { name: 'Compare' }).click();
      await page.locator('table').waitFor({ timeout: 60_000 });
      const caption = await page.innerText('caption');
      const rows = await page.locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.children].map(({ textContent }) => textContent ?? '')));
      return { caption, rows, ways: rows.map(([way]) => way), agreeing: rows.at(-1)?.[3], found: rows.at(-1)?.[4] };
    };
    await page.getByText('How fast, and how exact').waitFor();
    assert.equal(await page.locator('[aria-label="Index to compare on"]').isVisible(), false);
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, SPEECH);
    await told(page, /1 file indexed/);
    await page.click('nav a[href="#compare"]');
    await page.selectOption('[aria-label="Index to compare on"]', { label: 'Your text: My text' });
    const own = await compare();
    assert.match(own.caption, /^Your text: My text: \d+ passages of 513 numbers, 30 questions, the 10 nearest/);
    assert.deepEqual(own.ways, ['Twindex, exact', 'Twindex, recall of 0.99 asked for', 'Plain JavaScript loop']);
    assert.deepEqual([own.agreeing, own.found], ['30 of 30', '100.0 %']);
    for (const [, median] of own.rows) assert.match(median ?? '', /^(?!0\.0)[\d.]+ (µ|m)?s$/);

    for (const strategy of /** @type {const} */ (['EUCLIDEAN_DISTANCE', 'MAX_INNER_PRODUCT'])) {
      let state = 1;
      const vectors = Array.from({ length: 200 }, () => Float32Array.from({ length: 8 }, () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1));
      const store = await VectorStore.fromVectors(vectors, vectors.map((_, i) => ({ id: `${i}`, pageContent: `the ${i}th` })), null, { distanceStrategy: strategy });
      await page.click('nav a[href="#text"]');
      await give(page, await fileOf(`${strategy}.twindex`, await store.serialize()));
      store.free();
      await told(page, new RegExp(`${strategy}\\.twindex is open`));
      await page.click('nav a[href="#compare"]');
      await page.selectOption('[aria-label="Index to compare on"]', { label: `Your text: ${strategy}` });
      const { agreeing, found } = await compare();
      assert.deepEqual([agreeing, found], ['30 of 30', '100.0 %'], strategy);
    }

    await page.click('nav a[href="#text"]');
    await give(page, join(FIXTURES, 'faiss/ivf_flat_l2.faiss'));
    await told(page, /ivf_flat_l2\.faiss is open/);
    await page.click('nav a[href="#compare"]');
    await page.selectOption('[aria-label="Index to compare on"]', { label: 'Your text: ivf_flat_l2' });
    const { ways } = await compare();
    assert.equal(ways[0], 'Plain JavaScript loop');
    assert.match(ways[1] ?? '', /^Twindex, approximate \(IVF/);
  });

  test('files that are broken, foreign, empty or too large are told in words, and nothing is lost', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('good.txt', 'a lantern in the fog'));
    await told(page, /1 passage of 1 file/);
    const whole = await readFile(join(SITE, 'data/dictionary.twindex'));
    const damaged = Buffer.from(whole);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0xff;
    const cases = /** @type {const} */ ([
      [await fileOf('empty.txt', ''), /empty\.txt is empty/],
      [await fileOf('empty.twindex', ''), /empty\.twindex could not be opened\. .*is empty/],
      [await fileOf('noise.twindex', 'this is no store'), /noise\.twindex could not be opened\. This is not a Twindex file/],
      [await fileOf('cut.twindex', whole.subarray(0, whole.length / 2)), /cut\.twindex could not be opened\. .*cut short/],
      [await fileOf('damaged.twindex', damaged), /damaged\.twindex could not be opened\. .*damaged/],
      [await fileOf('noise.faiss', 'this is no index'), /noise\.faiss could not be opened/],
      [await fileOf('noise.pdf', 'this is no PDF'), /noise\.pdf cannot be read as a PDF/],
      [await fileOf('picture.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13])), /picture\.png is not a text/],
      [await fileOf('notes.constructor', Buffer.from([0, 1, 2])), /notes\.constructor is not a text/],
      [await fileOf('half.jsonl', '{"text": "a fork"}\n{"text": "half a character: \\ud83d"}\n{"text": "a number", "metadata": {"n": 1e400}}'), /2 of the lines of half\.jsonl could not be read .*line 2: .*half a character.*line 3: .*too large/],
      [await fileOf('deep.jsonl', `{"text": "deep", "metadata": {"a": ${'['.repeat(200)}${']'.repeat(200)}}}`), /deep\.jsonl cannot be indexed/],
      [await hollow('large.txt', 100_000_000), /large\.txt is too large: it has 100 MB, and 64 MB is the most/],
      [await hollow('large.twindex', 3_000_000_000), /large\.twindex could not be opened\. It has 3\.0 GB/],
    ]);
    for (const [path, expected] of cases) {
      await page.locator('.job').waitFor({ state: 'hidden' });
      await give(page, path);
      await told(page, expected).catch(async (error) => assert.fail(`${basename(path)}: ${error.message}; told were ${(await messages(page)).join(' | ')}`));
    }
    assert.deepEqual(await ask(page, 'lantern'), ['good.txt']);
    assert.deepEqual(await ask(page, 'fork'), ['half.jsonl']);
  });

  test('where the browser keeps nothing, all works for as long as the tab is open', async (t) => {
    const { url } = await origin(t, withoutModel);
    const without = await launch('chromium', { preferences: { profile: { default_content_setting_values: { cookies: 2 } } } });
    leavings.get(t)?.push(() => without.close());
    const page = await visit(t, url, { by: without });
    await dictionaryIsReady(page);
    assert.equal((await ask(page, 'agoraphobia'))[0], 'agoraphobia');
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('kept.txt', 'a lantern in the fog'));
    await told(page, /could not be kept\. This browser lets this page keep nothing/);
    assert.deepEqual(await ask(page, 'lantern'), ['kept.txt']);
    await give(page, await fileOf('more.txt', 'otters in the stream'));
    await page.getByText('2 passages').first().waitFor();
    assert.deepEqual(await ask(page, 'otters'), ['more.txt']);
    await page.locator('.job').waitFor({ state: 'hidden' });
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).last().click();
    await downloading;
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.locator('.drop:not(.small)').waitFor();
    await give(page, await fileOf('other.txt', 'otters in the stream'));
    await told(page, /could not be kept/);
    await page.locator('.job').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.getByRole('button', { name: 'Remove it' }).click();
    await page.locator('.drop:not(.small)').waitFor();
  });

  test('storage that is full is told; the collection stays open, can be exported, and kept later', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`);
    await page.locator('.drop').waitFor();
    const client = await page.context().newCDPSession(page);
    await client.send('Storage.overrideQuotaForOrigin', { origin: url, quotaSize: 1000 });
    await give(page, SPEECH);
    await told(page, /could not be kept\. There is no room left.*stays open in this tab/);
    await page.getByText('not kept in this browser').waitFor();
    assert.deepEqual((await ask(page, 'Ketanji Brown Jackson'))[0], 'sotu.txt');
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await told(page, /is in this tab only/);
    assert.deepEqual((await ask(page, 'Ketanji Brown Jackson'))[0], 'sotu.txt');
    await client.send('Storage.overrideQuotaForOrigin', { origin: url });
    await page.getByRole('button', { name: 'Keep', exact: true }).click();
    await page.getByText('not kept in this browser').waitFor({ state: 'hidden' });
    await page.reload();
    await page.waitForSelector('.question:visible');
    assert.deepEqual((await ask(page, 'Ketanji Brown Jackson'))[0], 'sotu.txt');
  });

  test('two tabs share collections, and neither loses what the other added', async (t) => {
    const { url } = await origin(t, withoutModel);
    const one = await visit(t, `${url}/#text`);
    await one.locator('.drop').waitFor();
    await give(one, await fileOf('first.txt', 'herons by the river'));
    await told(one, /1 passage of 1 file/);
    const two = await visit(t, `${url}/#text`);
    await two.waitForSelector('.question:visible');
    const files = await Promise.all([fileOf('second.txt', 'kingfishers by the lake'), fileOf('third.txt', 'cormorants by the sea')]);
    await Promise.all([give(one, files[0]), give(two, files[1])]);
    for (const page of [one, two]) {
      await page.getByText('3 passages').first().waitFor();
      assert.deepEqual(await ask(page, 'kingfishers'), ['second.txt']);
      assert.deepEqual(await ask(page, 'cormorants'), ['third.txt']);
    }
    await told(one, /was changed in another tab|indexed/);
  });

  test('a worker that dies takes nothing with it', async (t) => {
    const { url } = await origin(t, withoutModel);
    const page = await visit(t, `${url}/#text`, { may: /./ });
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('kept.txt', 'a lantern in the fog'));
    await told(page, /1 passage of 1 file/);
    await kill(page);
    assert.deepEqual(await ask(page, 'lantern'), ['kept.txt']);
    await told(page, /started again/);
  });
});

/** @param {Page} page */
const modelSettled = (page) => page.waitForFunction(() => document.querySelector('.note')?.checkVisibility() === false, null, { timeout: 180_000 });

test('a dictionary of a number of entries that is none is told in a line', () => {
  for (const [options, expected] of /** @type {const} */ ([
    [['--entries', 'x'], /--entries takes a whole number from 1, not "x"/],
    [['--entries', '0'], /--entries takes a whole number from 1, not "0"/],
    [['--from', folder], /has no WordNet/],
  ])) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(REPOSITORY, 'scripts/wordnet.mjs'), ...options], { encoding: 'utf8' });
    assert.deepEqual([status, stdout, stderr.split('\n').length], [2, '', 2], stderr);
    assert.match(stderr, expected);
  }
});

describe('the page', () => {
  test('works without a network after one visit, a reload included', async (t) => {
    assert.notEqual(SITE_JSON.model, null);
    const site = await origin(t);
    const page = await visit(t, site.url, { may: /ERR_CONNECTION_REFUSED|Failed to (load|fetch)/ });
    await modelIsReady(page);
    await page.getByText('Works offline').waitFor({ timeout: 60_000 });
    await site.close();
    await page.reload();
    await modelIsReady(page);
    const found = await ask(page, 'fear of being in open places');
    assert.ok(found.slice(0, 5).includes('agoraphobia'), found.join());
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, [await fileOf('offline.txt', 'the ferry leaves at nine'), await fileOf('offline.pdf', pdf('A treatise on the migration of swallows'))]);
    await told(page, /2 passages of 2 files/);
    assert.equal((await ask(page, 'when does the boat go'))[0], 'offline.txt');
    assert.equal((await ask(page, 'birds that travel south'))[0], 'offline.pdf');
    await page.click('nav a[href="#compare"]');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('table').waitFor({ timeout: 120_000 });
  });

  test('that is new is offered until it is taken, and other files stay files', async (t) => {
    let version = 1;
    const worker = readFileSync(join(SITE, 'service-worker.js'), 'utf8');
    const { url } = await origin(t, {
      ...withoutModel,
      '/service-worker.js': (_, response) => void response.writeHead(200, { 'content-type': 'text/javascript' }).end(`${worker}\n// ${version}`),
    });
    const page = await visit(t, url, { may: /404/ });
    await page.getByText('Works offline').waitFor();
    await page.goto(`${url}/licences.txt`);
    assert.match(await page.innerText('body'), /pdfjs-dist/);
    assert.equal((await page.goto(`${url}/nothing`))?.status(), 404);
    await page.goto(`${url}/index.html`);
    await dictionaryIsReady(page);
    version = 2;
    await page.reload();
    await page.getByText('A new version is here').waitFor();
    await page.reload();
    await page.getByText('A new version is here').waitFor();
    await dictionaryIsReady(page);
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Reload' }).click()]);
    await page.getByText('Works offline').waitFor();
  });

  test('a visit loads less than 250 kB by gzip, without the model and the index', async (t) => {
    const site = await origin(t, { ...withoutModel, '/service-worker.js': (_, response) => void response.writeHead(404).end() });
    const page = await visit(t, site.url, { may: /fetching the script|404/ });
    await dictionaryIsReady(page);
    await ask(page, 'agoraphobia');
    const paths = new Set(site.requests.filter(({ status }) => status === 200).map(({ path }) => path));
    let sum = 0;
    for (const path of paths) {
      if (path.startsWith('/data/')) continue;
      const bytes = gzipSync(readFileSync(join(SITE, path.endsWith('/') ? `${path}index.html` : path)), { level: 9 }).length;
      sum += bytes;
      t.diagnostic(`${String(bytes).padStart(7)} ${path}`);
    }
    t.diagnostic(`${sum} bytes by gzip -9, of ${WEIGHT}`);
    assert.ok(sum < WEIGHT, `${sum} bytes`);
  });

  test('sends nothing anywhere: what it asks for are its own files', async (t) => {
    const site = await origin(t, withoutModel);
    const page = await visit(t, site.url);
    /** @type {string[]} */
    const asked = [];
    page.context().on('request', (request) => asked.push(request.url()));
    await dictionaryIsReady(page);
    await ask(page, 'a secret that nobody is to know');
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, await fileOf('secret.txt', 'a secret that nobody is to know'));
    await told(page, /1 passage/);
    assert.deepEqual(asked.filter((address) => !address.startsWith(site.url) && !address.startsWith('blob:') && !address.startsWith('data:')), []);
    assert.deepEqual(site.requests.filter(({ method }) => method !== 'GET'), []);
  });

  for (const scheme of /** @type {const} */ (['light', 'dark'])) {
    test(`has nothing that axe objects to, in ${scheme}`, async (t) => {
      const { url } = await origin(t, withoutModel);
      const page = await visit(t, url);
      await page.emulateMedia({ colorScheme: scheme });
      await dictionaryIsReady(page);
      assert.deepEqual(await axe(page), []);
      await page.check('input[value=noun]');
      await ask(page, 'morbid fear');
      await page.locator('.map summary').click();
      await page.locator('.field-of-map button').first().waitFor();
      await page.locator('.hit summary').first().click();
      assert.deepEqual(await axe(page), []);
      await page.setViewportSize({ width: 360, height: 740 });
      assert.deepEqual(await axe(page), []);
      await page.click('nav a[href="#text"]');
      await page.locator('.drop').waitFor();
      assert.deepEqual(await axe(page), []);
      await give(page, [SPEECH, await fileOf('nothing.txt', '')]);
      await told(page, /1 file indexed/);
      await ask(page, 'Ketanji Brown Jackson');
      assert.deepEqual(await axe(page), []);
      await page.click('nav a[href="#compare"]');
      await page.getByRole('button', { name: 'Compare' }).click();
      await page.locator('table').waitFor({ timeout: 60_000 });
      assert.deepEqual(await axe(page), []);
    });
  }

  test('is never busy for long while it searches 100,000 rows', async (t) => {
    const { VectorStore } = await import('../../wasm/dist/node.mjs');
    const rows = 100_000;
    const dim = 384;
    let state = 1;
    const vectors = Float32Array.from({ length: rows * dim }, () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31) - 1);
    const store = await VectorStore.fromVectors(vectors, Array.from({ length: rows }, (_, i) => ({ id: `${i}`, pageContent: `the ${i}th of many rows`, metadata: { words: [`row ${i}`], pos: 'noun', category: 'noun.act', uses: i % 3 } })), null, { dim, distanceStrategy: 'cosine' });
    const bytes = await store.serialize();
    store.free();
    const { createHash } = await import('node:crypto');
    const dictionary = { url: 'large.twindex', bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), entries: rows, source: 'random numbers' };
    const { url } = await origin(t, {
      '/data/site.json': (_, response) => void response.end(JSON.stringify({ ...SITE_JSON, dictionary, model: null })),
      '/data/large.twindex': (_, response) => void response.end(bytes),
    });
    const page = await visit(t, url);
    await dictionaryIsReady(page);
    await ask(page, 'warm up: the words are read once');
    await page.context().browser()?.startTracing(page, { categories: ['devtools.timeline', 'toplevel'] });
    await page.locator('.question').pressSequentially('the row with many 4217 numbers in it', { delay: 40 });
    await idle(page);
    await page.getByRole('button', { name: /^More like this/ }).first().click();
    await idle(page);
    /** @type {{ ph: string, name: string, pid: number, tid: number, dur: number, tdur?: number, args: { name?: string } }[]} */
    const events = JSON.parse(String(await page.context().browser()?.stopTracing())).traceEvents;
    const threads = new Set(events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`));
    const tasks = events.filter(({ ph, name, pid, tid }) => ph === 'X' && name.endsWith('RunTask') && threads.has(`${pid} ${tid}`)).filter(({ tdur }) => tdur !== undefined);
    // What else the machine does stretches a task, but not the time that the processor spends on it.
    const longest = Math.max(...tasks.map(({ tdur = 0 }) => tdur / 1000));
    t.diagnostic(`longest task of the page's thread while searching ${rows} rows: ${longest.toFixed(1)} ms of the processor, ${Math.max(...tasks.map(({ dur }) => dur / 1000)).toFixed(1)} ms by the clock (${tasks.length} tasks); ${await page.textContent('.status')}`);
    assert.ok(longest < STUTTER, `${longest} ms`);
    await page.click('nav a[href="#compare"]');
    await page.getByRole('button', { name: 'Compare' }).click();
    const stuttered = page.getByText('longest gap between two frames');
    await stuttered.waitFor({ timeout: 180_000 });
    t.diagnostic(await stuttered.innerText());
  });

  test('can be looked at, at three sizes', async (t) => {
    const { url } = await origin(t, SITE_JSON.model === null ? withoutModel : {});
    const page = await visit(t, url);
    await (SITE_JSON.model === null ? dictionaryIsReady(page) : modelIsReady(page));
    await page.click('nav a[href="#text"]');
    await page.locator('.drop').waitFor();
    await give(page, SPEECH);
    await told(page, /1 file indexed/);
    await page.click('nav a[href="#compare"]');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('table').waitFor({ timeout: 120_000 });
    const sizes = /** @type {const} */ ({ phone: [375, 812], tablet: [820, 1180], desk: [1440, 900] });
    for (const [size, [width, height]] of Object.entries(sizes)) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.emulateMedia({ colorScheme });
        for (const [name, question] of [['dictionary', ''], ['dictionary', 'fear of being in open places'], ['text', 'what was said about the pandemic'], ['compare', '']]) {
          await page.click(`nav a[href="#${name}"]`);
          await page.locator('h1').waitFor();
          if (name !== 'compare') await ask(page, question ?? '');
          const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
          assert.equal(wide, false, `${name} is wider than a ${size}`);
          await page.screenshot({ path: join(SCREENSHOTS, `${name}${question === '' ? '' : '-asked'}-${size}-${colorScheme}.png`) });
        }
      }
    }
  });
});
