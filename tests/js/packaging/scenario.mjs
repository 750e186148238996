// @ts-check
/**
 * What every environment does with the package. It gives back plain JSON, which must be the same everywhere,
 * score bits included.
 *
 * @typedef {Pick<typeof import('../../../wasm/js/index.js'), 'VectorStore' | 'VectorStoreError'>} Api
 * @typedef {import('../../../wasm/js/index.js').Document} Document
 * @typedef {import('../../../wasm/js/index.js').VectorStore} Store
 */

const TEXTS = ['a spoon for soup', 'a fork', 'soup of the day', 'forks and spoons', 'one fine day'];
const IDS = ['spoon', 'fork', 'soup', 'both', 'day'];
const METADATAS = [
  { kind: 'tool', price: 3, tags: ['steel', 'round'] },
  { kind: 'tool', price: 2.5, tags: ['steel'] },
  { kind: 'dish', price: 7, tags: [] },
  { kind: 'tool', price: 5, big: 9007199254740993n },
  { kind: 'time', note: { text: 'schön 😀' } },
];
const LETTERS = ['o', 's', 'f', 'd'];

/** How often a text has each of four letters. @param {string} text */
const embed = (text) => LETTERS.map((letter) => text.split(letter).length - 1);

const embeddings = {
  /** @param {string[]} texts */
  embedDocuments: async (texts) => texts.map(embed),
  /** @param {string} text */
  embedQuery: async (text) => embed(text),
};

/**
 * @param {Api} api
 * @param {string} [directory] where to save stores
 */
export async function scenario(api, directory) {
  const { VectorStore } = api;
  const store = await VectorStore.fromTexts(TEXTS, METADATAS, embeddings, { ids: IDS });
  const searches = {
    scored: scores(await store.similaritySearchWithScore('a spoon', 3)),
    filtered: scores(
      await store.similaritySearchWithScore('a spoon', 4, { kind: 'tool', price: { $lt: 5 } }),
    ),
    predicate: scores(
      await store.similaritySearchWithScore('a spoon', 4, ({ metadata }) => metadata.kind !== 'tool'),
    ),
    mmr: ids(await store.maxMarginalRelevanceSearch('a spoon', { k: 3, fetchK: 5, lambda: 0.25 })),
    batch: (await store.similaritySearchBatch(['fork', 'day'], { k: 2 })).map(scores),
  };
  const [both] = await store.getByIds(['both']);
  const [day] = await store.getByIds(['day', 'nobody']);

  const bytes = await store.serialize();
  const copy = await VectorStore.deserialize(bytes, embeddings);
  const deleted = await copy.delete({ ids: ['spoon'] });
  const left = {
    deleted,
    count: await copy.count(),
    scored: scores(await copy.similaritySearchWithScore('a spoon', 3)),
  };
  const [made] = await copy.addTexts(['a new one']);
  const walked = [];
  for await (const { id } of copy) walked.push(id === made ? 'made' : id);

  const result = {
    searches,
    documents: { text: both.pageContent, big: String(both.metadata.big), day: day.metadata },
    bytes: { length: bytes.length, sha256: await sha256(bytes) },
    left,
    madeIds: {
      uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(made),
      walked,
    },
    cosine: await cosine(api),
    saved: await saving(api, store, directory),
    codes: await refusals(api, store, directory),
  };
  store.free();
  copy.free();
  return { ...result, freed: await code(api, store.count()) };
}

/** Vectors that are there already, compared by cosine. @param {Api} api */
async function cosine({ VectorStore }) {
  const vectors = new Float32Array([0.1, 0.7, -0.3, 1, 2, 3, -0.5, 0.25, 0.125, 1e-3, 2e-3, 4e-3]);
  const documents = ['a', 'b', 'c', 'd'].map((id) => ({ id, pageContent: id }));
  const store = await VectorStore.fromVectors(vectors, documents, null, {
    distanceStrategy: 'cosine',
    dim: 3,
  });
  const hits = scores(
    await store.similaritySearchVectorWithScore([0.3, 0.3, 0.9], { k: 4, scoreThreshold: 0 }),
  );
  const { count, dim, distanceStrategy, kind } = await store.info();
  store.free();
  return { hits, info: { count, dim, distanceStrategy, kind } };
}

/** @param {Api} api @param {Store} store @param {string} [directory] */
async function saving({ VectorStore }, store, directory) {
  const place = { directory };
  await store.save('first', place);
  await store.save('zweiter Löffel', place);
  const names = await VectorStore.list(place);
  const loaded = await VectorStore.load('first', embeddings, place);
  await loaded.delete({ filter: { kind: 'tool' } });
  await loaded.save('first', place);
  loaded.free();
  const again = await VectorStore.load('first', embeddings, place);
  const kept = await again.ids();
  again.free();
  const removed = [await VectorStore.remove('first', place), await VectorStore.remove('first', place)];
  const left = await VectorStore.list(place);
  for (const name of left) await VectorStore.remove(name, place);
  return { names, kept, removed, left };
}

/** @param {Api} api @param {Store} store @param {string} [directory] */
async function refusals(api, store, directory) {
  const { VectorStore } = api;
  const cyclic = /** @type {Record<string, unknown>} */ ({});
  cyclic.self = cyclic;
  const before = await sha256(await store.serialize());
  const codes = {
    k: await code(api, store.similaritySearch('x', -1)),
    fraction: await code(api, store.similaritySearch('x', 1.5)),
    dimension: await code(api, store.similaritySearchByVector([1, 2])),
    duplicate: await code(api, store.addTexts(['x'], null, { ids: ['fork'] })),
    unknownId: await code(api, store.delete({ ids: ['nobody'] })),
    operator: await code(api, store.similaritySearch('x', 1, { price: { $near: 3 } })),
    metadata: await code(api, store.addTexts(['x'], [cyclic])),
    garbage: await code(api, VectorStore.deserialize(new TextEncoder().encode('not a store'.repeat(20)))),
    missing: await code(api, VectorStore.load('nowhere', null, { directory })),
    name: await code(api, store.save('../escape', { directory })),
  };
  const aborted = await store.similaritySearch('x', { signal: AbortSignal.abort() }).then(
    () => 'not aborted',
    (/** @type {Error} */ error) => error.name,
  );
  return { ...codes, aborted, unchanged: before === (await sha256(await store.serialize())) };
}

/** @param {[Document, number][]} hits */
const scores = (hits) => hits.map(([{ id }, score]) => [id, score]);

/** @param {Document[]} documents */
const ids = (documents) => documents.map(({ id }) => id);

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The code of the error that a call rejects with, which must be one of ours.
 *
 * @param {Api} api
 * @param {Promise<unknown>} call
 */
const code = ({ VectorStoreError }, call) =>
  call.then(
    () => 'no error',
    (error) => {
      const ours =
        error instanceof VectorStoreError && error instanceof Error && error.name === 'VectorStoreError';
      return ours && error.message.length > 0 ? error.code : `not ours: ${error}`;
    },
  );
