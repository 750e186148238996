// @ts-check
/**
 * Installs the packed package in an empty project per environment and uses it there: Node, TypeScript,
 * browsers, bundlers. Everywhere the same scenario must give the same result, score bits included.
 *
 * Usage: node packaging.mjs [--package TARBALL] [WORD...]
 * With words: only the environments that have one of them in their name.
 */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { launch } from './lib/browsers.mjs';
import { findPackage } from './lib/package.mjs';
import { serve } from './lib/serve.mjs';
import { EXPECTED, EXPECTED_IN_LANGCHAIN } from './packaging/expected.mjs';
import { Workshop } from './packaging/project.mjs';

/** @typedef {import('./lib/browsers.mjs').Browser} Browser */
/** @typedef {import('./lib/browsers.mjs').BrowserName} BrowserName */
/** @typedef {import('./lib/browsers.mjs').OpenOptions} OpenOptions */
/** @typedef {import('./packaging/project.mjs').Project} Project */

const STRICT_POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'";

const REPOSITORY = resolve(fileURLToPath(import.meta.url), '../../..');

const LANGCHAIN = { '@langchain/core': '@langchain/core' };
const VITE = 'node_modules/vite/bin/vite.js';
const NEXT = 'node_modules/next/dist/bin/next';
const HUNG_AFTER_MS = 15 * 60_000;

/** @type {BrowserName[]} */
const BROWSERS = ['chromium', 'firefox'];

const { values, positionals } = parseArgs({
  options: { package: { type: 'string' } },
  allowPositionals: true,
});
const workshop = new Workshop(findPackage(values.package));
/** @type {Map<BrowserName, Promise<Browser>>} */
const browsers = new Map();
/** @type {Map<string, () => Promise<void>>} */
const environments = new Map();

/**
 * @param {string} name
 * @param {() => Promise<void>} check
 */
const environment = (name, check) => environments.set(name, check);

/**
 * Opens a page and checks its outcome; it must write no error to the console, but those that are expected.
 *
 * @param {BrowserName} name
 * @param {string} url
 * @param {(outcome: any) => void | Promise<void>} check
 * @param {OpenOptions & { expected?: RegExp }} [options]
 */
async function page(name, url, check, { expected, ...options } = {}) {
  if (!browsers.has(name)) browsers.set(name, launch(name));
  const browser = await /** @type {Promise<Browser>} */ (browsers.get(name));
  const opened = await browser.open(url, options);
  await check(await opened.outcome());
  const problems = opened.problems.filter((problem) => !expected?.test(problem));
  assert.deepEqual(problems, [], 'errors on the console');
  await opened.close();
}

/**
 * A page of a project that needs no build.
 *
 * @param {BrowserName} browserName
 * @param {string} name
 * @param {(page: { result: any, project: Project, site: import('./lib/serve.mjs').Site }) => void |
 *   Promise<void>} check
 * @param {import('./lib/serve.mjs').ServeOptions & OpenOptions & { expected?: RegExp }} [options]
 */
async function plainPage(browserName, name, check, { before, expected, ...serving } = {}) {
  const project = await workshop.project(name);
  copyFileSync(project.path('node_modules', 'twindex', 'dist', 'twindex.wasm'), project.path('given.wasm'));
  const site = await serve(project.folder, serving);
  try {
    await page(browserName, `${site.url}/`, (result) => check({ result, project, site }), {
      before,
      expected,
    });
  } finally {
    await site.close();
  }
}

/**
 * @param {Project} project
 * @param {{ onPage: unknown, inWorker: unknown, version: string }} result
 */
function assertBoth(project, { onPage, inWorker, version }) {
  assert.deepEqual(onPage, EXPECTED);
  assert.deepEqual(inWorker, EXPECTED, 'by way of twindex/worker');
  assert.equal(version, project.version);
}

/** @param {Record<string, unknown>} results */
function assertEach(results) {
  assert.notEqual(Object.keys(results).length, 0);
  for (const [name, result] of Object.entries(results)) assert.deepEqual(result, EXPECTED, name);
}

environment('tarball', async () => {
  const project = await workshop.project('node-esm');
  const folder = project.path('node_modules', 'twindex');
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const target of [manifest.main, manifest.types, ...targets(manifest.exports)])
    assert.ok(existsSync(join(folder, target)), target);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const names = files.map(({ name }) => name);
  for (const name of ['README.md', 'LICENSE-MIT', 'LICENSE-APACHE']) assert.ok(names.includes(name), name);
  for (const { parentPath, name } of files) {
    const content = readFileSync(join(parentPath, name), 'latin1');
    for (const place of [REPOSITORY, homedir()])
      assert.ok(!content.includes(`${place}/`), `${name} tells where it was built`);
  }
});

for (const name of ['node-esm', 'node-cjs']) {
  environment(name, async () => {
    const project = await workshop.project(name);
    const { result, version } = await project.node(name === 'node-cjs' ? 'main.js' : 'main.mjs');
    assert.deepEqual(result, EXPECTED);
    assert.equal(version, project.version);
    assert.deepEqual(readdirSync(project.path('stores')), [], 'files left behind');
  });
}

environment('node-one-class', async () => {
  const project = await workshop.project('node-one-class', LANGCHAIN);
  await project.run(process.execPath, 'main.mjs');
});

environment('node-threads', async () => {
  const project = await workshop.project('node-threads');
  const results = await project.node('main.mjs');
  assert.equal(results.length, 2);
  assertEach(results);
});

environment('node-worker', async () => {
  const project = await workshop.project('node-worker');
  assert.deepEqual(await project.node('main.mjs'), EXPECTED);
});

environment('node-wasm-given', async () => {
  const project = await workshop.project('node-wasm');
  assertEach(await project.node('main.mjs'));
});

environment('edge', async () => {
  const project = await workshop.project('edge');
  assert.deepEqual(await project.node('main.mjs'), { hits: [['a', 1]], saving: 'storage_unavailable' });
});

environment('no-simd', async () => {
  const project = await workshop.project('no-simd');
  const code = 'simd_unavailable';
  assert.deepEqual(await project.node('main.mjs'), {
    init: code,
    create: code,
    fromVectors: code,
    deserialize: code,
  });
});

environment('langchain', async () => {
  const project = await workshop.project('langchain', LANGCHAIN);
  assert.deepEqual(await project.node('main.mjs'), EXPECTED_IN_LANGCHAIN);
  assert.deepEqual(await project.node('main.cjs'), EXPECTED_IN_LANGCHAIN);
});

environment('langchain, vite', async () => {
  const project = await workshop.project('langchain', { ...LANGCHAIN, vite: 'vite' });
  await project.run(process.execPath, VITE, 'build');
  const site = await serve(project.path('dist'));
  try {
    await page('chromium', `${site.url}/`, (result) => assert.deepEqual(result, EXPECTED_IN_LANGCHAIN));
  } finally {
    await site.close();
  }
});

for (const compiler of ['typescript', 'typescript-5']) {
  environment(compiler, async () => {
    const project = await workshop.project('typescript', {
      ...LANGCHAIN,
      typescript: compiler,
      '@types/node': '@types/node',
    });
    const compile = (/** @type {string} */ config) =>
      project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', config);
    await compile('tsconfig.json');
    await compile('tsconfig.bundler.json');
    await compile('tsconfig.node.json');
    await compile('tsconfig.langchain.json');
  });
}

for (const browserName of BROWSERS) {
  environment(`page, ${browserName}`, () =>
    plainPage(browserName, 'page', ({ result, project, site }) => {
      assert.deepEqual(result, {
        result: EXPECTED,
        version: project.version,
        simd: 'relaxed-simd',
        databases: 0,
      });
      const binaries = site.requests.filter(({ path }) => path.endsWith('.wasm'));
      const path = '/node_modules/twindex/dist/twindex-relaxed.wasm';
      assert.deepEqual(binaries, [{ method: 'GET', path, status: 200 }], 'one binary is downloaded, once');
    }),
  );

  environment(`page-without-opfs, ${browserName}`, () =>
    plainPage(
      browserName,
      'page',
      ({ result }) => {
        assert.deepEqual(result.result, EXPECTED);
        assert.equal(result.databases, 1);
      },
      { before: () => Reflect.deleteProperty(StorageManager.prototype, 'getDirectory') },
    ),
  );

  environment(`strict-policy, ${browserName}`, () =>
    plainPage(
      browserName,
      'csp',
      async ({ result, site }) => {
        assert.deepEqual(result.onPage, EXPECTED);
        assert.deepEqual(result.inWorker, EXPECTED, 'by way of twindex/worker');
        assert.equal(result.evaluated, 'EvalError', 'the policy is in force');
        await site.violation(({ blocked }) => blocked === 'eval');
        const source = `${site.url}/main.mjs`;
        assert.deepEqual(
          site.violations,
          [{ directive: 'script-src', blocked: 'eval', source }],
          'only our own breach is reported',
        );
      },
      { csp: STRICT_POLICY, expected: /blocked a JavaScript eval/ },
    ),
  );

  environment(`module-worker, ${browserName}`, () =>
    plainPage(browserName, 'module-worker', ({ result }) => assert.deepEqual(result, EXPECTED)),
  );

  environment(`twindex/worker, ${browserName}`, () =>
    plainPage(browserName, 'worker-page', ({ result }) => assert.deepEqual(result, EXPECTED)),
  );

  environment(`page-wasm-given, ${browserName}`, () =>
    plainPage(browserName, 'page-wasm', ({ result }) => assertEach(result)),
  );
}

for (const [name, tool] of /** @type {const} */ ([
  ['vite', 'vite'],
  ['vite-7', 'vite-7'],
])) {
  const address = async () => ['--host', '127.0.0.1', '--strictPort', '--port', await freePort()];

  environment(`${name}-build`, async () => {
    const project = await workshop.project('vite', { vite: tool });
    await project.run(process.execPath, VITE, 'build');
    renameSync(project.path('node_modules'), project.path('gone')); // what is built stands alone
    const site = await serve(project.path('dist'));
    try {
      await page('chromium', `${site.url}/`, (result) => assertBoth(project, result));
    } finally {
      await site.close();
    }
  });

  environment(`${name}-preview`, async () => {
    const project = await workshop.project('vite', { vite: tool });
    await project.run(process.execPath, VITE, 'build');
    await page('chromium', await project.server(VITE, 'preview', ...(await address())), (result) =>
      assertBoth(project, result),
    );
    await project.stop();
  });

  environment(`${name}-dev`, async () => {
    const project = await workshop.project('vite', { vite: tool });
    await page('chromium', await project.server(VITE, ...(await address())), (result) =>
      assertBoth(project, result),
    );
    await project.stop();
  });
}

environment('webpack', async () => {
  const project = await workshop.project('webpack', { webpack: 'webpack' });
  assert.deepEqual(await project.node('build.mjs'), [], 'errors and warnings');
  const site = await serve(project.folder);
  try {
    await page('chromium', `${site.url}/`, (result) => assertBoth(project, result));
  } finally {
    await site.close();
  }
  assertBoth(project, await project.node('external/main.js'));
  renameSync(project.path('node_modules'), project.path('gone')); // what is built stands alone
  assertBoth(project, await project.node('server/main.js'));
});

/**
 * Builds a Next.js application and starts it.
 *
 * @param {string} name
 * @param {string[]} flags of the build
 */
async function startNext(name, ...flags) {
  const project = await workshop.project(name, { next: 'next', react: 'react', 'react-dom': 'react-dom' });
  await project.run(process.execPath, NEXT, 'build', ...flags);
  return { project, url: await project.server(NEXT, 'start', '--hostname', '127.0.0.1', '--port', '0') };
}

for (const [name, ...flags] of [['next'], ['next-webpack', '--webpack']]) {
  environment(name, async () => {
    const { project, url } = await startNext('next', ...flags);
    assertBoth(project, await get(`${url}/api/store`));
    await page('chromium', `${url}/`, ({ onServer, inBrowser }) => {
      assertBoth(project, onServer);
      assertBoth(project, inBrowser);
    });
    await project.stop();
  });
}

environment('next-edge', async () => {
  const { project, url } = await startNext('next-edge');
  assert.deepEqual(await get(`${url}/api/store`), [['a', 1]]);
  await project.stop();
});

/**
 * The files that `exports` names.
 *
 * @param {unknown} exports
 * @returns {string[]}
 */
function targets(exports) {
  return typeof exports === 'string' ? [exports] : Object.values(Object(exports)).flatMap(targets);
}

/** A port of loopback that nothing listens on. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return String(port);
}

/** @param {string} url */
async function get(url) {
  const answer = await fetch(url);
  assert.equal(answer.status, 200, url);
  return answer.json();
}

/**
 * Rejects when an environment has taken a hundred times as long as any of them needs: a tool that waits for
 * something that will not come is named, and takes nothing from what follows.
 */
async function hung() {
  await sleep(HUNG_AFTER_MS, undefined, { ref: false });
  throw new Error(`it still ran after ${HUNG_AFTER_MS / 60_000} minutes`);
}

let passed = 0;
let failed = 0;
try {
  for (const [name, check] of environments) {
    if (positionals.length > 0 && !positionals.some((word) => name.includes(word))) continue;
    const started = performance.now();
    try {
      await Promise.race([check(), hung()]);
      passed++;
      console.log(`ok    ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${name}\n${error instanceof Error ? error.stack : error}\n`);
    }
  }
} finally {
  for (const started of browsers.values())
    await started.then(
      (browser) => browser.close(),
      () => {},
    );
  await workshop.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
