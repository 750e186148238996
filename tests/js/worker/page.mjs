// What the pages of worker-browsers.test.mjs do: each part is a function of its own, and `globalThis.outcome`
// is what comes of the one named.
import * as main from 'twindex';
import * as worker from 'twindex/worker';

const COUNT = 100_000;
const DIM = 384;

/** Numbers that are the same everywhere. */
function random(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
}

function large() {
  const next = random(7);
  const vectors = new Float32Array(COUNT * DIM);
  for (let i = 0; i < vectors.length; i++) vectors[i] = next();
  const documents = Array.from({ length: COUNT }, (_, i) => ({
    pageContent: `text ${i}`,
    id: `d${i}`,
    metadata: { i },
  }));
  return { vectors, documents };
}

/** The longest time, in milliseconds, that this thread did nothing else while something went on. */
async function longestGap(work) {
  let longest = 0;
  let last = performance.now();
  let isOver = false;
  const { port1, port2 } = new MessageChannel();
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) port1.postMessage(null);
  };
  port2.onmessage = look;
  look();
  const result = await work();
  isOver = true;
  look();
  return { longest: Math.round(longest * 10) / 10, result };
}

const scores = (hits) => hits.map(([{ id }, score]) => [id, score]);

const parts = {
  /** The same searches in both classes, and in several workers, and how long this thread is held up by each. */
  async large() {
    const { vectors, documents } = large();
    const queries = [5, 50_000, 99_999].map((row) => vectors.slice(row * DIM, (row + 1) * DIM));
    const gaps = {};
    const answers = {};
    const where = { main, worker, slices: worker };
    for (const [name, { VectorStore }] of Object.entries(where)) {
      const gap = async (what, work) => {
        const { longest, result } = await longestGap(work);
        gaps[`${name} ${what}`] = longest;
        return result;
      };
      const given =
        name === 'main'
          ? { vectors }
          : {
              vectors: vectors.slice(),
              options: { transfer: true, workers: name === 'slices' ? 3 : 1 },
            };
      const store = await gap('fromVectors', () =>
        VectorStore.fromVectors(given.vectors, documents, null, { dim: DIM, ...given.options }),
      );
      answers[name] = {
        single: scores(await gap('search', () => store.similaritySearchVectorWithScore(queries[0], 5))),
        batch: (await gap('batch of 3', () => store.similaritySearchBatch(queries, 2))).map(scores),
        filtered: scores(
          await gap('filter', () =>
            store.similaritySearchVectorWithScore(queries[1], { k: 3, filter: { i: { $gte: 60_000 } } }),
          ),
        ),
        asked: scores(
          await gap('filter function', () =>
            store.similaritySearchVectorWithScore(queries[1], {
              k: 3,
              filter: ({ metadata }) => metadata.i >= 60_000,
            }),
          ),
        ),
        mmr: scores(
          await gap('MMR', () =>
            store.maxMarginalRelevanceSearchWithScoreByVector(queries[2], { k: 5, fetchK: 50 }),
          ),
        ),
        upserted: await gap('upsert', () =>
          store.upsertVectors([queries[2], queries[0]], [documents[5], { pageContent: 'new', id: 'new' }]),
        ),
        deleted: await gap('delete', () => store.delete({ filter: { i: { $in: [7, 70_000, 99_999] } } })),
        changed: (await gap('search again', () => store.similaritySearchBatch(queries, 3))).map(scores),
        count: await store.count(),
        bytes: (await gap('serialize', () => store.serialize())).length,
      };
      if (name !== 'main') answers.detached = given.vectors.length === 0;
      store.free();
    }
    return { gaps, answers };
  },

  /** Searches that are cancelled while the worker is busy with them. */
  async abort() {
    const { vectors, documents } = large();
    const store = await worker.VectorStore.fromVectors(vectors, documents, null, {
      dim: DIM,
      transfer: true,
    });
    const query = Array.from({ length: DIM }, random(3));
    const queries = Array.from({ length: 60 }, () => query);
    const controller = new AbortController();
    const reason = new Error('typed on');
    let hasEnded = false;
    const whole = store.similaritySearchBatch(queries, 1).then((found) => ((hasEnded = true), found.length));
    const aborted = store.similaritySearchBatch(queries, { k: 1, signal: controller.signal });
    controller.abort(reason);
    const isReason = await aborted.then(
      () => false,
      (thrown) => thrown === reason,
    );
    const cameFirst = !hasEnded;
    const asked = new AbortController();
    const filter = () => (asked.abort('enough'), true);
    const stopped = await store
      .similaritySearchByVector(query, { filter, signal: asked.signal })
      .catch((thrown) => thrown);
    return { isReason, cameFirst, whole: await whole, stopped, count: await store.count() };
  },

  /** Workers that cannot be started, and one that is given. */
  async start() {
    const { VectorStore, VectorStoreError, init, terminate } = worker;
    const failure = (call) =>
      call.then(
        () => 'none',
        (error) => [error instanceof VectorStoreError, error.code, error.cause instanceof Error],
      );
    const missing = await failure(init(undefined, { worker: '/nowhere.mjs' }));
    const still = await failure(VectorStore.create());
    const elsewhere = await failure(init(undefined, { worker: 'http://localhost:1/worker.mjs' }));
    const own = new Worker('/node_modules/twindex/dist/worker-host.mjs', { type: 'module' });
    const wrong = await failure(init('nowhere.wasm', { worker: own }));
    // Where this page is, not where the worker is.
    await init('node_modules/twindex/dist/twindex.wasm');
    const store = await VectorStore.fromVectors([[1, 2]], [{ pageContent: 'a' }]);
    const pending = failure(
      store.similaritySearchByVector(
        [1, 2],
        1,
        () => (own.dispatchEvent(new ErrorEvent('error', { message: 'it broke' })), true),
      ),
    );
    const died = await pending;
    const lost = await failure(store.count());
    const next = await VectorStore.create();
    const count = await next.count();
    await terminate();
    return { missing, still, elsewhere, wrong, died, lost, count, terminated: await failure(next.count()) };
  },

  /** A page that may start no worker. */
  async forbidden() {
    return worker.VectorStore.create().then(
      () => 'started',
      ({ code }) => code,
    );
  },
};

globalThis.outcome = parts[new URLSearchParams(location.search).get('part')]();
