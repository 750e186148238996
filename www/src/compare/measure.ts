import { init, type SearchOptions, type StoreInfo, VectorStore } from 'twindex';
import { source } from 'twindex/approximate';

/** What is measured: one index, some of its own rows as queries. */
export interface Order {
  /** A Twindex file. */
  content: Blob | Uint8Array<ArrayBuffer>;
  /** The same documents in an approximate index, and what it is called. */
  approximate: { content: Blob; name: string } | undefined;
  queries: number;
  k: number;
}

/** How a way to search finds what is near: all of it; most of it; or all of it, without a library. */
export type Kind = 'exact' | 'approximate' | 'loop';

/** One way to search. */
export interface Figure {
  kind: Kind;
  name: string;
  /** Median of a query, in milliseconds. */
  median: number;
  /** The slowest query. */
  slowest: number;
  /** Queries that gave the same documents in the same order as the first way. */
  agreeing: number;
  /** Of the documents that the first way found, how many this one did, of 1. */
  recall: number;
}

export interface Measured {
  rows: number;
  dim: number;
  simd: string;
  queries: number;
  k: number;
  /** The first one is exact: what the others are compared with. */
  figures: Figure[];
}

interface Way {
  kind: Kind;
  name: string;
  find(query: Float32Array): Promise<string[]> | string[];
}

/** What the approximate searches are asked for. */
const RECALL = 0.99;

/** Milliseconds that a query is repeated for, at least: clocks of pages tell a tenth of one at best, and small indexes take less. */
const LEAST = 2;

/** Times the same queries in several ways, one after another, in this worker. */
export async function measure({ content, approximate, queries, k }: Order, onProgress: (part: number) => void): Promise<Measured> {
  await init(source);
  using store = await VectorStore.deserialize(content);
  const info = await store.info();
  const { count, dim, simd } = info;
  if (dim === null || count < 2) throw new Error('there is too little in this index to compare anything: two documents at least');
  const ids = await store.ids();
  const vectors = await store.getVectors();
  const step = Math.max(1, Math.floor(count / queries));
  const asked = Array.from({ length: Math.min(queries, count) }, (_, i) => ((i * step) % count) * dim).map((at) => vectors.slice(at, at + dim));
  using other = approximate === undefined ? undefined : await VectorStore.deserialize(approximate.content);

  const search = (searched: VectorStore, options: SearchOptions = {}) => async (query: Float32Array) => (await searched.similaritySearchVectorWithScore(query, { ...options, k })).map(([document]) => document.id);
  const isExact = info.kind === 'Flat';
  const ways: Way[] = [{ kind: isExact ? 'exact' : 'approximate', name: isExact ? 'Twindex, exact' : `Twindex, approximate (${info.kind})`, find: search(store) }];
  if (isExact) ways.push({ kind: 'approximate', name: `Twindex, recall of ${RECALL} asked for`, find: search(store, { recall: RECALL }) });
  if (approximate !== undefined && other !== undefined) ways.push({ kind: 'approximate', name: `Twindex, approximate (${approximate.name})`, find: search(other) });
  const loop: Way = { kind: 'loop', name: 'Plain JavaScript loop', find: (query) => plainSearch(vectors, dim, nearness(info), query, k).map((position) => ids[position] ?? '') };
  // What the answers are compared with has to be exact: of an index that is not, the loop's.
  if (isExact) ways.push(loop);
  else ways.unshift(loop);

  const figures: Figure[] = [];
  const truth: string[][] = [];
  for (const [way, { kind, name, find }] of ways.entries()) {
    const times: number[] = [];
    let agreeing = 0;
    let found = 0;
    // Once beforehand, so that it is compiled.
    await find(asked[0]!);
    for (const [i, query] of asked.entries()) {
      const started = performance.now();
      let answer: string[];
      let elapsed: number;
      let runs = 0;
      do {
        answer = await find(query);
        runs++;
        elapsed = performance.now() - started;
      } while (elapsed < LEAST);
      times.push(elapsed / runs);
      const exact = (truth[i] ??= answer);
      if (answer.join('\n') === exact.join('\n')) agreeing++;
      found += answer.filter((id) => exact.includes(id)).length / exact.length;
      onProgress((way + (i + 1) / asked.length) / ways.length);
    }
    figures.push({ kind, name, median: median(times), slowest: Math.max(...times), agreeing, recall: found / asked.length });
  }
  return { rows: count, dim, simd, queries: asked.length, k, figures };
}

/** How near a row is, from its product with the query and the squared lengths of both. Higher is nearer. */
type Nearness = (dot: number, row: number, query: number) => number;

function nearness({ distanceStrategy }: StoreInfo): Nearness {
  switch (distanceStrategy) {
    case 'EUCLIDEAN_DISTANCE':
      return (dot, row, query) => 2 * dot - row - query;
    case 'MAX_INNER_PRODUCT':
      return (dot) => dot;
    case 'COSINE':
      // What has no length is like nothing.
      return (dot, row, query) => (row === 0 || query === 0 ? 0 : dot / Math.sqrt(row * query));
  }
}

/** What one would write without a library: every row, one number after another; the best so far, sorted in. */
function plainSearch(vectors: Float32Array, dim: number, near: Nearness, query: Float32Array, k: number): number[] {
  const rows = vectors.length / dim;
  const best: number[] = [];
  const scores: number[] = [];
  let queryLength = 0;
  for (let i = 0; i < dim; i++) queryLength += query[i]! * query[i]!;
  for (let row = 0; row < rows; row++) {
    const start = row * dim;
    let dot = 0;
    let length = 0;
    for (let i = 0; i < dim; i++) {
      const value = vectors[start + i]!;
      dot += value * query[i]!;
      length += value * value;
    }
    const score = near(dot, length, queryLength);
    if (best.length === k && score <= scores[k - 1]!) continue;
    let at = best.length;
    while (at > 0 && scores[at - 1]! < score) at--;
    best.splice(at, 0, row);
    scores.splice(at, 0, score);
    if (best.length > k) {
      best.pop();
      scores.pop();
    }
  }
  return best;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
