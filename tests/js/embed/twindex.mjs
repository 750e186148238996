// @ts-check
/** The package under test with its entry `twindex/embed`, and the models that its tests use. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { halved, writeHalved } from '../../../scripts/model-f16.mjs';
import { readMatrix } from '../lib/npy.mjs';
import { loadPackage } from '../lib/package.mjs';

/** @typedef {typeof import('../../../wasm/js/index.js')} Main */
/** @typedef {typeof import('../../../wasm/js/embed.js')} Embed */
/** @typedef {import('../../../wasm/js/embed.js').ModelFiles} ModelFiles */

const { packageRoot } = await loadPackage(process.env.TWINDEX_PACKAGE);

/** A project that has the package installed. */
export const project = join(packageRoot, '..', '..');

const { load } = await import(pathToFileURL(join(project, 'import.mjs')).href);

/** @type {Main} */
export const main = await load('twindex');

/** @type {Embed} */
export const embed = await load('twindex/embed');

/** @param {string} file */
export const distOf = (file) => join(packageRoot, 'dist', file);

const DATA = fileURLToPath(new URL('../../data/', import.meta.url));

/** A folder for files of a test file; it goes with the process. */
export const scratch = mkdtempSync(join(tmpdir(), 'twindex-embed-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

/**
 * A small model of random weights, and what the native library makes of texts with it.
 *
 * @type {{ folder: string, dim: number, texts: string[], vectors: number[][], files: () => Record<keyof ModelFiles, Uint8Array> }}
 */
export const tiny = {
  folder: join(DATA, 'tiny_model'),
  dim: 16,
  ...JSON.parse(readFileSync(join(DATA, 'tiny_model', 'vectors.json'), 'utf8')),
  files: () => {
    /** @param {string} name */
    const read = (name) => new Uint8Array(readFileSync(join(DATA, 'tiny_model', name)));
    return {
      weights: read('model.safetensors'),
      tokenizer: read('tokenizer.json'),
      config: read('config.json'),
      pooling: read('1_Pooling/config.json'),
      modules: read('modules.json'),
      sentenceConfig: read('sentence_bert_config.json'),
    };
  },
};

/**
 * all-MiniLM-L6-v2, where TWINDEX_MODEL_DIR says it is, with what sentence-transformers makes of 50 texts. CI has to have it.
 *
 * @returns {{ folder: string, texts: string[], vectors: Float32Array[] } | undefined}
 */
export function realModel() {
  const folder = process.env.TWINDEX_MODEL_DIR;
  if (folder === undefined) {
    assert.equal(process.env.CI, undefined, 'CI is set, but TWINDEX_MODEL_DIR is not: run scripts/model.sh and set it to the folder it prints');
    return undefined;
  }
  /** @type {{ text: string }[]} */
  const texts = JSON.parse(readFileSync(join(DATA, 'embedder', 'texts.json'), 'utf8'));
  const { rows, columns, data } = readMatrix(join(DATA, 'embedder', 'embeddings.npy'), '<f4');
  const vectors = Array.from({ length: rows }, (_, row) => data.slice(row * columns, (row + 1) * columns));
  return { folder, texts: texts.map(({ text }) => text), vectors };
}

/** The same model with weights in f16, in a folder of its own. @param {string} folder */
export async function halfOf(folder) {
  const half = join(scratch, 'half');
  await writeHalved(folder, half);
  return half;
}

export { halved };

/**
 * The largest difference between numbers of vectors.
 *
 * @param {ArrayLike<number>[]} actual
 * @param {ArrayLike<number>[]} expected
 */
export function difference(actual, expected) {
  assert.deepEqual(
    actual.map(({ length }) => length),
    expected.map(({ length }) => length),
  );
  let largest = 0;
  actual.forEach((vector, row) => {
    for (let i = 0; i < vector.length; i++) {
      const apart = Math.abs((vector[i] ?? NaN) - (expected[row]?.[i] ?? NaN));
      assert.ok(!Number.isNaN(apart));
      largest = Math.max(largest, apart);
    }
  });
  return largest;
}

/**
 * Whether this is an error of ours.
 *
 * @param {string} code
 * @param {RegExp} [message]
 * @param {string} [cause] the code of its cause
 */
export const isError = (code, message = /./, cause) => (/** @type {any} */ error) => {
  assert.ok(error instanceof embed.VectorStoreError, String(error?.stack ?? error));
  assert.deepEqual({ code: error.code, name: error.name }, { code, name: 'VectorStoreError' }, error.message);
  assert.match(error.message, message);
  if (cause !== undefined) assert.equal(/** @type {any} */ (error.cause)?.code, cause);
  return true;
};
