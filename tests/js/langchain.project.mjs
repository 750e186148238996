// @ts-check
/** A project that has the package and LangChain.js installed, and what it imports, both ways. */

import { mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { loadPackage } from './lib/package.mjs';

const { packageRoot } = await loadPackage(process.env.TWINDEX_PACKAGE);

/** The project's folder. It goes when this process does. */
export const project = join(packageRoot, '..', '..');

/** The folder of a package that the tests have. @param {string} name */
const installed = (name) => dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)));

for (const name of ['@langchain/core', '@types/node']) {
  const place = join(project, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(installed(name), place, 'junction');
}

const { load } = await import(pathToFileURL(join(project, 'import.mjs')).href);
const require = createRequire(join(project, 'import.mjs'));

/**
 * @typedef {typeof import('../../wasm/js/index.js') & typeof import('../../wasm/js/langchain.js')
 *   & Pick<typeof import('@langchain/core/documents'), 'Document'>
 *   & Pick<typeof import('@langchain/core/embeddings'), 'Embeddings'>
 *   & Pick<typeof import('@langchain/core/example_selectors'), 'SemanticSimilarityExampleSelector'>
 *   & Pick<typeof import('@langchain/core/indexing'), 'index' | 'RecordManager'>
 *   & Pick<typeof import('@langchain/core/runnables'), 'RunnableSequence'>
 *   & { LangChainStore: typeof import('@langchain/core/vectorstores').VectorStore }
 *   & { SaveableVectorStore: typeof import('@langchain/core/vectorstores').SaveableVectorStore }
 *   & { WorkerStore: typeof import('../../wasm/js/worker.js').VectorStore }
 *   & { terminate: typeof import('../../wasm/js/worker.js').terminate }} World
 */

/**
 * What a program imports.
 *
 * @param {(specifier: string) => any} get
 * @returns {Promise<World>}
 */
async function world(get) {
  const { VectorStore: LangChainStore, SaveableVectorStore } = await get('@langchain/core/vectorstores');
  const { VectorStore: WorkerStore, terminate } = await get('twindex/worker');
  return {
    ...(await get('@langchain/core/documents')),
    ...(await get('@langchain/core/embeddings')),
    ...(await get('@langchain/core/example_selectors')),
    ...(await get('@langchain/core/indexing')),
    ...(await get('@langchain/core/runnables')),
    ...(await get('twindex')),
    ...(await get('twindex/langchain')),
    LangChainStore,
    SaveableVectorStore,
    WorkerStore,
    terminate,
  };
}

/** What ES modules import, and what CommonJS requires. */
export const worlds = { import: await world(load), require: await world(require) };
