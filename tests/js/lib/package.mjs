// @ts-check
/**
 * The packed npm package, installed in a folder of its own and imported the way an application imports it.
 */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * What the entries export; that of a worker has the same class.
 *
 * @typedef {Pick<typeof import('../../../wasm/js/index.js'), 'VectorStore' | 'VectorStoreError'>} Twindex
 */
/** @typedef {import('../../../wasm/js/index.js').VectorStore} VectorStore */
/** @typedef {import('../../../wasm/js/index.js').DistanceStrategy} DistanceStrategy */
/** @typedef {import('../../../wasm/js/index.js').Document} Document */
/** @typedef {import('../../../wasm/js/index.js').Embeddings} Embeddings */
/** @typedef {import('../../../wasm/js/index.js').Filter} Filter */
/** @typedef {import('../../../wasm/js/index.js').MmrOptions} MmrOptions */
/** @typedef {import('../../../wasm/js/index.js').OpenOptions} OpenOptions */
/** @typedef {import('../../../wasm/js/index.js').SearchOptions} SearchOptions */
/** @typedef {import('../../../wasm/js/index.js').SearchType} SearchType */
/** @typedef {import('../../../wasm/js/index.js').StoreOptions} StoreOptions */
/** @typedef {import('../../../wasm/js/index.js').VectorEncoding} VectorEncoding */

const WASM = fileURLToPath(new URL('../../../wasm/', import.meta.url));

/** There is no package to test, or it is none. */
export class NoPackage extends Error {
  /** @override */
  name = 'NoPackage';
}

/**
 * Where the package is: what the caller names, else the newest tarball that `npm pack` made.
 *
 * @param {string} [path] a tarball, or the folder of an installed package
 * @returns {string}
 */
export function findPackage(path) {
  if (path !== undefined) {
    const found = resolve(path);
    if (!existsSync(found)) throw new NoPackage(`there is no ${path}`);
    return found;
  }
  const tarballs = readdirSync(WASM)
    .filter((name) => /^twindex-.*\.tgz$/.test(name))
    .map((name) => join(WASM, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (tarballs[0] === undefined) {
    throw new NoPackage(
      'no package to test: run `npm run build && npm pack` in wasm/, or give --package PATH',
    );
  }
  return tarballs[0];
}

/**
 * The package's folder inside a project that has it installed.
 *
 * @param {string} project
 * @param {string} found
 */
function install(project, found) {
  const unpacked = join(project, 'unpacked');
  const isFolder = statSync(found).isDirectory();
  if (!isFolder) {
    mkdirSync(unpacked);
    const tar = spawnSync('tar', ['-xzf', found, '-C', unpacked], { encoding: 'utf8' });
    if (tar.status !== 0) {
      throw new NoPackage(`cannot unpack ${found}: ${tar.error?.message ?? tar.stderr.trim()}`);
    }
  }
  const source = isFolder ? found : join(unpacked, 'package');
  const manifest = join(source, 'package.json');
  if (!existsSync(manifest)) throw new NoPackage(`${found} has no package.json`);
  const { name } = JSON.parse(readFileSync(manifest, 'utf8'));
  const packageRoot = join(project, 'node_modules', name);
  mkdirSync(dirname(packageRoot), { recursive: true });
  if (isFolder) symlinkSync(source, packageRoot, 'junction');
  else renameSync(source, packageRoot);
  return { name, packageRoot };
}

/**
 * An entry of the package, found by its own `exports`, and the folder that the package is in. The package
 * lies in a temporary project, which goes when this process does.
 *
 * @param {string} [path] a tarball or the folder of an installed package; the newest tarball in `wasm/`
 *   unless given
 * @param {string} [entry] such as `worker`; the main entry unless given
 * @returns {Promise<typeof import('../../../wasm/js/index.js') & { packageRoot: string }>}
 */
export async function loadPackage(path, entry) {
  const found = findPackage(path);
  const project = mkdtempSync(join(tmpdir(), 'twindex-'));
  process.once('exit', () => rmSync(project, { recursive: true, force: true }));
  const { name, packageRoot } = install(project, found);
  const importer = join(project, 'import.mjs');
  writeFileSync(importer, 'export const load = (specifier) => import(specifier);\n');
  const { load } = await import(pathToFileURL(importer).href);
  return { ...(await load(entry === undefined ? name : `${name}/${entry}`)), packageRoot };
}

/** Where the options are of the calls that make a store. */
const OPTIONS = { create: 1, fromTexts: 3, fromDocuments: 2, fromVectors: 3, deserialize: 2, fromLangChain: 2, load: 2 };

/**
 * `twindex/worker`, with every store that it makes in several workers.
 *
 * @template {Twindex} T
 * @param {T} worker
 * @param {number} workers
 * @returns {T}
 */
export function inWorkers(worker, workers) {
  const VectorStore = /** @type {any} */ (worker.VectorStore);
  const makes = Object.entries(OPTIONS).map(([method, at]) => [
    method,
    (/** @type {any[]} */ ...args) => VectorStore[method](...Object.assign([], args, { [at]: { ...args[at], workers } })),
  ]);
  return { ...worker, VectorStore: Object.assign(Object.create(VectorStore), Object.fromEntries(makes)) };
}
