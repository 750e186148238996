// @ts-check
/** What the page under test does: each part tells its outcome. */

import { LocalEmbeddings, VectorStoreError } from 'twindex/embed';
import { VectorStore } from 'twindex';

/** @typedef {import('../../../wasm/js/embed.js').LoadOptions} LoadOptions */

const parameters = new URL(location.href).searchParams;
const model = parameters.get('model') ?? '/model/';

/** @param {Promise<unknown>} promise */
const codeOf = (promise) =>
  promise.then(
    () => 'none',
    (error) => (error instanceof VectorStoreError ? error.code : String(error)),
  );

/** Runs work while it watches for how long nothing else can run, in milliseconds. @template T @param {() => Promise<T>} work */
async function watched(work) {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const value = await work();
  clearInterval(timer);
  return { value, longest: Math.round(longest) };
}

/** @type {Record<string, () => Promise<unknown>>} */
const parts = {
  /** The vectors of texts, how they came, and what a store finds with them. */
  async vectors() {
    const texts = await (await fetch('/texts.json')).json();
    let told = { loaded: 0, total: /** @type {number | null} */ (null) };
    const options = { model, onProgress: (/** @type {typeof told} */ progress) => void (told = progress) };
    const before = await LocalEmbeddings.isCached({ model });
    const embeddings = await LocalEmbeddings.load(options);
    const { value: vectors, longest } = await watched(() => embeddings.embedDocuments(texts));
    const started = performance.now();
    for (const text of texts) await embeddings.embedQuery(text);
    const query = (performance.now() - started) / texts.length;
    const store = await VectorStore.fromTexts(texts, null, embeddings, { distanceStrategy: 'cosine' });
    const [hit] = await store.similaritySearch(texts[0], 1);
    const { cached } = embeddings;
    embeddings.free();
    return { before, cached, told, vectors: vectors.map((vector) => [...vector]), longest, query, found: hit?.pageContent === texts[0] };
  },

  /** Loads what is in the cache by now, then a cache whose weights are damaged, then none. */
  async cache() {
    const name = 'twindex-models';
    const first = await LocalEmbeddings.load({ model });
    const wasCached = [await LocalEmbeddings.isCached({ model }), await LocalEmbeddings.isCached({ model, cache: 'other' })];
    const cache = await caches.open(name);
    const weights = String(new URL(`${model}model.safetensors`, location.href));
    await cache.put(weights, new Response('damaged'));
    const second = await LocalEmbeddings.load({ model });
    const healed = (await (await cache.match(weights))?.arrayBuffer())?.byteLength ?? 0;
    const removed = [await LocalEmbeddings.removeCached({ model }), await LocalEmbeddings.removeCached({ model })];
    const left = (await cache.keys()).length;
    const third = await LocalEmbeddings.load({ model, cache: false });
    const cached = [first, second, third].map((embeddings) => embeddings.cached);
    for (const embeddings of [first, second, third]) embeddings.free();
    return { wasCached, cached, healed, removed, left, kept: (await cache.keys()).length };
  },

  /** Loads with the network away. */
  async again() {
    const embeddings = await LocalEmbeddings.load({ model, cache: 'offline' });
    const { length } = await embeddings.embedQuery('dogs');
    const { cached } = embeddings;
    embeddings.free();
    return { length, cached };
  },

  async errors() {
    const worker = new Worker('/node_modules/twindex/dist/embed-host.mjs', { type: 'module' });
    const given = await LocalEmbeddings.load({ model, worker });
    given.free();
    /** @param {LoadOptions} options */
    const load = (options) => codeOf(LocalEmbeddings.load(options));
    const blob = new Blob(['damaged']);
    return {
      missing: await load({ model: '/nowhere/' }),
      damaged: await load({ model: { weights: blob, tokenizer: `${model}tokenizer.json`, config: `${model}config.json` } }),
      worker: await load({ model, worker: '/nowhere.mjs' }),
      wasm: await load({ model, wasm: '/page.html' }),
      freed: await codeOf(given.embedQuery('a')),
    };
  },
};

const part = parts[parameters.get('part') ?? ''];
/** @type {any} */ (globalThis).outcome = part?.();
