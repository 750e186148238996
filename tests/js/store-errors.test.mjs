// @ts-check
/** What errors are, and that every code that there is stands in the README. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { VectorStore, VectorStoreError, abc, packageRoot, twindex, version } from './store/twindex.mjs';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const read = (/** @type {string[]} */ ...path) => readFileSync(join(repository, ...path), 'utf8');

test('the package exports what its types say', () => {
  const { packageRoot: _, ...exported } = twindex;
  assert.deepEqual(Object.keys(exported).sort(), ['VectorStore', 'VectorStoreError', 'init', 'initInterop', 'version']);
  assert.equal(VectorStore.name, 'VectorStore');
});

test('the version is that of the package', () => {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  assert.equal(version, manifest.version);
  assert.match(version, /^\d+\.\d+\.\d+/);
});

describe('an error', () => {
  test('is an Error with a name, a code and a cause', () => {
    const cause = new Error('why');
    const error = new VectorStoreError('what', 'some_code', { cause });
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'VectorStoreError');
    assert.equal(VectorStoreError.name, 'VectorStoreError');
    assert.deepEqual([error.message, error.code, error.cause], ['what', 'some_code', cause]);
    assert.equal(String(error), 'VectorStoreError: what');
    assert.match(error.stack ?? '', /^VectorStoreError: what\n/);
    assert.deepEqual(Object.keys(error), ['code']);
    assert.ok(!('cause' in new VectorStoreError('what', 'some_code')));
  });

  test('of a call is one too, and has no cause where nothing was thrown', async () => {
    const error = await (await abc()).getVector('z').catch((/** @type {unknown} */ thrown) => thrown);
    assert.ok(error instanceof VectorStoreError);
    assert.equal(Object.getPrototypeOf(error), VectorStoreError.prototype);
    assert.deepEqual([error.name, error.code], ['VectorStoreError', 'unknown_id']);
    assert.ok(!('cause' in error));
  });
});

describe('the README', () => {
  const listed = [
    ...readFileSync(join(packageRoot, 'README.md'), 'utf8').matchAll(/^\| `([a-z0-9_]+)` \| /gm),
  ].map(([, code]) => code ?? '');

  /** @param {string} source @param {RegExp} pattern */
  const codesOf = (source, pattern) => [...source.matchAll(pattern)].map(([, code]) => code ?? '');

  const core = codesOf(read('core/src/error.rs'), /^ +Error::\w+(?: \{ \.\. \})? => "(\w+)",$/gm);
  const javaScript = readdirSync(join(repository, 'wasm/js'))
    .filter((name) => name.endsWith('.mjs'))
    .flatMap((name) => codesOf(read('wasm/js', name), /'([a-z]+(?:_[a-z]+)+)'/g));
  const rust = readdirSync(join(repository, 'wasm/src')).flatMap((name) =>
    codesOf(read('wasm/src', name), /(?:Failure::new\(\s*|RELEVANCE_FAILED: &str = )"(\w+)"/g),
  );

  test('lists the codes of the core that can come', () => {
    assert.ok(core.length > 30, `${core.length} codes found`);
    // What only indexes of FAISS, and the text splitters, give.
    const elsewhere = ['index_failed', 'invalid_splitter', 'too_few_to_train', 'unsupported_by_index'];
    assert.deepEqual(
      core.filter((code) => !listed.includes(code) && !elsewhere.includes(code)),
      [],
    );
  });

  test('lists the codes of the package itself', () => {
    assert.ok(rust.length > 5, `${rust.length} codes found`);
    assert.deepEqual(
      rust.filter((code) => !listed.includes(code)),
      [],
    );
    const ofLanguage = [
      'invalid_argument',
      'invalid_option',
      'store_freed',
      'internal_error',
      'wasm_unavailable',
      'simd_unavailable',
      'io_error',
    ];
    for (const code of ofLanguage) assert.ok(javaScript.includes(code), code);
    const inErrors = readdirSync(join(repository, 'wasm/js'))
      .filter((name) => name.endsWith('.mjs'))
      .flatMap((name) =>
        codesOf(read('wasm/js', name), /VectorStoreError\((?:[^;]|;(?!\n))*?,\s*'([a-z_]+)'/g),
      );
    assert.ok(inErrors.length > 8, `${inErrors.length} codes found`);
    assert.deepEqual(
      [...new Set([...inErrors, ...ofLanguage])].filter((code) => !listed.includes(code)),
      [],
    );
  });

  test('lists none twice, and none that nothing gives', () => {
    assert.equal(new Set(listed).size, listed.length);
    const given = [...core, ...rust, ...javaScript];
    assert.deepEqual(
      listed.filter((code) => code.includes('_') && !given.includes(code)),
      [],
    );
  });
});
