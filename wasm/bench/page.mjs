// @ts-check
/** The measuring half of `browser.mjs`, which runs in the page. */

import { LOOP_NAMES, PlainRows } from './loops.mjs';
import { Reading } from './reading.mjs';
import { fastest, takeTurns } from './timing.mjs';

/** @typedef {typeof import('../js/index.js')} Twindex */
/** @typedef {[import('../js/index.js').Document, number][]} Hits */
/** @typedef {import('./exact.mjs').Hit} Hit */
/** @typedef {import('./exact.mjs').Metric} Metric */
/** @typedef {'relaxed' | 'plain' | 'approximate'} BinaryName `approximate`: that of `twindex/approximate`, by relaxed SIMD, which searches exactly here */
/** @typedef {BinaryName | 'reading' | 'javascript'} SideName */
/** @typedef {{ metric: Metric, answers: Record<BinaryName | 'javascript', Hit[]>[] }} Answers */
/** @typedef {Answers & { times: Record<SideName, import('./timing.mjs').Times>, way: string, loop: string }} Measured */

/**
 * @typedef {object} Task
 * @property {number} dim
 * @property {number} k
 * @property {number} queries how many
 * @property {readonly Metric[]} metrics
 * @property {{ warmUp: number, rounds: number }} searches
 * @property {{ warmUp: number, rounds: number }} trials
 */

/** @param {string} path */
const fetched = async (path) => (await fetch(path)).arrayBuffer();

/** @param {Hits} hits */
const rowsOf = (hits) => hits.map(([{ id }, score]) => ({ row: Number(id), score }));

/**
 * The package, another instance of it for each name.
 *
 * @param {string} name
 * @returns {Promise<Twindex>}
 */
const instance = (name) => import(`/dist/index.mjs?${name}`);

/**
 * @param {Task} task
 * @returns {Promise<Measured[]>}
 */
export async function measure({ dim, k, queries, metrics, searches, trials }) {
  const relaxed = await instance('relaxed');
  const plain = await instance('plain');
  await plain.init(new URL('/dist/twindex.wasm', location.href));
  const approximate = await instance('approximate');
  await approximate.init(new URL('/dist/twindex-approximate-relaxed.wasm', location.href));

  const vectors = new Float32Array(await fetched('/vectors'));
  const asked = new Float32Array(await fetched('/queries'));
  /** @param {number} round */
  const query = (round) => asked.subarray((round % queries) * dim, ((round % queries) + 1) * dim);
  const documents = Array.from({ length: vectors.length / dim }, (_, row) => ({ pageContent: `text ${row}`, id: `${row}` }));
  const rows = new PlainRows(vectors, dim);
  const reading = await Reading.of(await fetched('/reading.wasm'), vectors, dim);
  /** @param {string} way */
  const readSide = (way) => ({
    run: () => reading.read(way),
    /** @param {number} total */
    after: (total) => {
      if (total !== reading.total) throw new Error(`${way}: a sum of ${reading.total} expected, got ${total}`);
    },
  });
  const way = fastest(await takeTurns(Object.fromEntries(reading.ways.map((name) => [name, readSide(name)])), trials));

  const measured = [];
  for (const metric of metrics) {
    /** @param {string} name */
    const loopSide = (name) => ({
      /** @param {number} round */
      run: (round) => rows.search(name, metric, query(round), k),
    });
    const loop = fastest(await takeTurns(Object.fromEntries(LOOP_NAMES.map((name) => [name, loopSide(name)])), trials));

    /** @type {Answers['answers']} */
    const answers = Array.from({ length: queries }, () => ({ relaxed: [], plain: [], approximate: [], javascript: [] }));
    /** @param {Twindex} twindex @param {BinaryName} name */
    const storeSide = async (twindex, name) => {
      const store = await twindex.VectorStore.fromVectors(vectors, documents, null, { dim, distanceStrategy: metric });
      const { simd } = await store.info();
      if ((simd === 'relaxed-simd') !== (name !== 'plain')) throw new Error(`the ${name} binary searches by ${simd}`);
      return {
        store,
        /** @param {number} round */
        run: (round) => store.similaritySearchVectorWithScore(query(round), k),
        /** @param {Hits} hits @param {number} round */
        after: (hits, round) => void (answers[round % queries][name] = rowsOf(hits)),
      };
    };
    const sides = {
      relaxed: await storeSide(relaxed, 'relaxed'),
      plain: await storeSide(plain, 'plain'),
      approximate: await storeSide(approximate, 'approximate'),
      reading: readSide(way),
      javascript: {
        ...loopSide(loop),
        /** @param {Hit[]} hits @param {number} round */
        after: (hits, round) => void (answers[round % queries].javascript = hits),
      },
    };
    const times = await takeTurns(sides, searches);
    sides.relaxed.store.free();
    sides.plain.store.free();
    sides.approximate.store.free();
    measured.push({ metric, answers, times, way, loop });
  }
  return measured;
}
