import { VectorStore } from 'twindex';

/** What is measured: one index, some of its own rows as queries. */
export interface Order {
  /** A Twindex file. */
  content: Blob | Uint8Array<ArrayBuffer>;
  /** The same documents in an approximate index, and what it is called. */
  approximate: { content: Blob; name: string } | undefined;
  queries: number;
  k: number;
}

/** One way to search. */
export interface Figure {
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
  figures: Figure[];
}

/** Times the same queries in two or three ways, one after another, in this worker. */
export async function measure({ content, approximate, queries, k }: Order, onProgress: (part: number) => void): Promise<Measured> {
  using store = await VectorStore.deserialize(content);
  const { count, dim, simd } = await store.info();
  if (dim === null || count < 2) throw new Error('there is too little in this index to compare anything');
  const ids = await store.ids();
  const vectors = await store.getVectors();
  const step = Math.max(1, Math.floor(count / queries));
  const asked = Array.from({ length: Math.min(queries, count) }, (_, i) => ((i * step) % count) * dim).map((at) => vectors.slice(at, at + dim));
  const search = (searched: VectorStore) => async (query: Float32Array) => (await searched.similaritySearchVectorWithScore(query, k)).map(([document]) => document.id);

  const ways: [name: string, find: (query: Float32Array) => Promise<string[]> | string[]][] = [
    ['Twindex, exact', search(store)],
    ['Plain JavaScript loop', (query) => plainSearch(vectors, dim, query, k).map((position) => ids[position] ?? '')],
  ];
  using other = approximate === undefined ? undefined : await VectorStore.deserialize(approximate.content);
  if (approximate !== undefined && other !== undefined) ways.splice(1, 0, [`Twindex, approximate (${approximate.name})`, search(other)]);

  const figures: Figure[] = [];
  const truth: string[][] = [];
  for (const [way, [name, find]] of ways.entries()) {
    const times: number[] = [];
    let agreeing = 0;
    let found = 0;
    // Once beforehand, so that it is compiled.
    await find(asked[0]!);
    for (const [i, query] of asked.entries()) {
      const started = performance.now();
      const answer = await find(query);
      times.push(performance.now() - started);
      const exact = (truth[i] ??= answer);
      if (answer.join('\n') === exact.join('\n')) agreeing++;
      found += answer.filter((id) => exact.includes(id)).length / exact.length;
      onProgress((way + (i + 1) / asked.length) / ways.length);
    }
    figures.push({ name, median: median(times), slowest: Math.max(...times), agreeing, recall: found / asked.length });
  }
  return { rows: count, dim, simd, queries: asked.length, k, figures };
}

/** What one would write without a library: every row, one number after another; the best so far, sorted in. By cosine. */
function plainSearch(vectors: Float32Array, dim: number, query: Float32Array, k: number): number[] {
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
    const score = dot / Math.sqrt(length * queryLength);
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
