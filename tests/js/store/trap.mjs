// @ts-check
/**
 * A process of its own: a function that the module calls throws what a trap throws, once, where the first
 * argument says; prints what
 * becomes of calls, by their codes.
 */

import { setImmediate as turn } from 'node:timers/promises';

import { loadPackage } from '../lib/package.mjs';
import { watchModule } from './instance.mjs';

let armed = false;
const { signal } = new AbortController();

/** The import that throws, and the call that comes to it. */
const PLACES = /** @type {const} */ ({
  starting: ['isWellFormed', (/** @type {any} */ store) => arm(() => store.similaritySearch('q'))],
  working: [
    'aborted',
    (/** @type {any} */ store) => arm(() => store.similaritySearchByVector([1, 0], { signal })),
  ],
  'working on an answer': [
    'aborted',
    (/** @type {any} */ store) => store.similaritySearch('trap', { signal }),
  ],
});
const [name, use] = PLACES[/** @type {keyof typeof PLACES} */ (process.argv[2])];

/** @param {() => Promise<unknown>} call */
function arm(call) {
  armed = true;
  return call();
}

watchModule((imports) => {
  const original = imports[name];
  if (original === undefined) throw new Error(`the module does not import ${name}`);
  imports[name] = (/** @type {unknown[]} */ ...args) => {
    if (armed) throw new WebAssembly.RuntimeError('unreachable');
    return original(...args);
  };
});
const { VectorStore, VectorStoreError } = await loadPackage(process.env.TWINDEX_PACKAGE);

const documents = [{ pageContent: 'a' }, { pageContent: 'b' }];
const embeddings = {
  embedDocuments: () => new Promise(() => {}),
  async embedQuery(/** @type {string} */ text) {
    armed ||= text === 'trap';
    return [1, 0];
  },
};
const store = await VectorStore.fromVectors(
  [
    [1, 0],
    [0, 1],
  ],
  documents,
  embeddings,
);
const other = await VectorStore.create(embeddings);
const retriever = await other.asRetriever();

/** @param {Promise<unknown>} call */
const codeOf = (call) =>
  call.then(
    () => 'resolved',
    (error) => (error instanceof VectorStoreError ? error.code : `raw: ${error}`),
  );

const pending = codeOf(other.addTexts(['never embedded']));
await turn();
const trapped = use(store);
/** @type {Error | undefined} */
let first;
trapped.catch((/** @type {Error} */ error) => (first = error));
const along = codeOf(store.serialize());
console.log('trapped', await codeOf(trapped));
console.log('along', await along);
console.log('pending', await pending);
armed = false;
console.log('later', await codeOf(store.count()));
console.log('same error', await other.ids().catch((error) => error === first));
console.log('other store', await codeOf(other.addVectors([[1]], [{ pageContent: 'x' }])));
console.log('retriever', await codeOf(retriever.invoke('q')));
console.log('create', await codeOf(VectorStore.create()));
console.log('fromTexts', await codeOf(VectorStore.fromTexts(['x'], null, embeddings)));
console.log('deserialize', await codeOf(VectorStore.deserialize(new Uint8Array(8))));
store.free();
other.free();
console.log('freed', await codeOf(store.count()));
