import { VectorStore } from 'twindex';

/** What is measured: one index, some of its own rows as queries. */
export interface Order {
  /** A Twindex file. */
  content: Blob | Uint8Array<ArrayBuffer>;
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
  /** Queries that gave the same documents in the same order as Twindex's exact search; `undefined` for that itself. */
  agreeing: number | undefined;
  /** Of the true nearest, how many were found, of 1. */
  recall: number | undefined;
}

export interface Measured {
  rows: number;
  dim: number;
  simd: string;
  queries: number;
  k: number;
  figures: Figure[];
}

/** Times the same queries through Twindex and through a plain loop, one after another, in this worker. */
export async function measure({ content, queries, k }: Order, onProgress: (part: number) => void): Promise<Measured> {
  using store = await VectorStore.deserialize(content);
  const { count, dim, simd } = await store.info();
  if (dim === null || count < 2) throw new Error('there is too little in this index to compare anything');
  const ids = await store.ids();
  const vectors = await store.getVectors();
  const step = Math.max(1, Math.floor(count / queries));
  const rows = Array.from({ length: Math.min(queries, count) }, (_, i) => (i * step) % count);
  const nearest: string[][] = [];
  const exact: number[] = [];
  const plain: number[] = [];
  let agreeing = 0;
  let found = 0;
  const query = (row: number): Float32Array<ArrayBuffer> => vectors.slice(row * dim, (row + 1) * dim);
  // Once beforehand, so that both are compiled.
  await store.similaritySearchVectorWithScore(query(0), k);
  plainSearch(vectors, dim, query(0), k);
  for (const [i, row] of rows.entries()) {
    const vector = query(row);
    let started = performance.now();
    const hits = await store.similaritySearchVectorWithScore(vector, k);
    exact.push(performance.now() - started);
    started = performance.now();
    const mine = plainSearch(vectors, dim, vector, k);
    plain.push(performance.now() - started);
    const theirs = hits.map(([document]) => document.id);
    nearest.push(theirs);
    const plainIds = mine.map((position) => ids[position] ?? '');
    if (plainIds.join('\n') === theirs.join('\n')) agreeing++;
    found += plainIds.filter((id) => theirs.includes(id)).length / theirs.length;
    onProgress((i + 1) / rows.length);
  }
  return {
    rows: count,
    dim,
    simd,
    queries: rows.length,
    k,
    figures: [
      { name: 'Twindex, exact', median: median(exact), slowest: Math.max(...exact), agreeing: undefined, recall: undefined },
      { name: 'Plain JavaScript loop', median: median(plain), slowest: Math.max(...plain), agreeing, recall: found / rows.length },
    ],
  };
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
