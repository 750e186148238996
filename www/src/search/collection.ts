import { type Document, type MetadataValue, VectorStore } from 'twindex/worker';
import { type Embedder, EmbedderFailed, type Space, spaceOf, WORDS_DIM } from '../embed/embedder.ts';
import { Lexical } from '../embed/lexical.ts';
import { isCancelled } from '../problems.ts';
import { type Condition, toFilter } from './filters.ts';

/** What to look for: a text, or what is near to a document that is there. */
export type Question = { text: string } | { like: string };

export interface SearchOptions {
  k: number;
  conditions: readonly Condition[];
  /** Take hits that are unlike each other: maximal marginal relevance. */
  varied: boolean;
  /** By what texts are compared. */
  by: 'meaning' | 'words';
  signal?: AbortSignal | undefined;
}

export interface Hit {
  document: Document;
  /** As the store gives it. */
  score: number;
}

export interface Answer {
  hits: Hit[];
  /** Whether higher scores are better. */
  higherIsBetter: boolean;
  /** Documents that were searched. */
  among: number;
  /** Milliseconds to turn the text into a vector; none where a stored one was taken. */
  embedMs: number | undefined;
  /** Milliseconds from asking the worker to its answer. */
  searchMs: number;
  /** The vector that was searched for, and those of the hits. */
  vectors(): Promise<{ question: Float32Array; hits: Float32Array[] }>;
}

/** The text that a document is found by where words are matched: of a dictionary, the word is part of it. */
export type TextOf = (document: Document) => string;

const LEXICAL = new Lexical();

async function vectorsOf(store: VectorStore, question: Float32Array, hits: readonly Hit[]): Promise<{ question: Float32Array; hits: Float32Array[] }> {
  return { question, hits: await Promise.all(hits.map(({ document }) => store.getVector(document.id))) };
}

/** How many hits a varied answer is chosen from, for each that is shown. */
const CANDIDATES = 5;

/**
 * A store with what this page knows about it. Where the model is missing, or is not the one that made the vectors, its texts can be looked up by their words:
 * a second store, of lexical vectors, is made when it is first asked for.
 */
export class Collection {
  readonly store: VectorStore;
  readonly space: Space;
  readonly higherIsBetter: boolean;
  #count: number;
  #textOf: TextOf;
  #words: Promise<VectorStore> | undefined;

  private constructor(store: VectorStore, space: Space, count: number, higherIsBetter: boolean, textOf: TextOf) {
    this.store = store;
    this.space = space;
    this.higherIsBetter = higherIsBetter;
    this.#count = count;
    this.#textOf = textOf;
    if (space === 'words') this.#words = Promise.resolve(store);
  }

  /** What a store is, is told by its vectors' length, or by `space` where it is empty. */
  static async of(store: VectorStore, { space, textOf = (document) => document.pageContent }: { space?: Space; textOf?: TextOf } = {}): Promise<Collection> {
    const { count, dim, distanceStrategy } = await store.info();
    return new Collection(store, dim === null ? (space ?? 'other') : spaceOf(dim), count, distanceStrategy !== 'EUCLIDEAN_DISTANCE', textOf);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether texts are looked up at once, by words. */
  get hasWords(): boolean {
    return this.space === 'words' || this.#words !== undefined;
  }

  /** Adds documents by their vectors, in place of those with the same ids. */
  async upsert(vectors: readonly Float32Array[], documents: readonly Document[]): Promise<void> {
    await this.store.upsertVectors(vectors, documents);
    await this.#changed(async (words) => void (await words.upsertVectors(await LEXICAL.embedDocuments(documents.map(this.#textOf)), documents)));
  }

  /** Deletes documents; ids that are not there are passed over. */
  async delete(ids: readonly string[]): Promise<void> {
    await this.store.delete({ ids, ignoreUnknown: true });
    await this.#changed(async (words) => void (await words.delete({ ids, ignoreUnknown: true })));
  }

  /** Changes the lexical vectors as the others were, where there are any: also those that are being made, which lack what came meanwhile. */
  async #changed(change: (words: VectorStore) => Promise<void>): Promise<void> {
    this.#count = await this.store.count();
    if (this.space === 'words') return;
    const words = await this.#words?.catch(() => undefined);
    if (words !== undefined) await change(words);
  }

  async search(question: Question, options: SearchOptions, embedder: Embedder | undefined): Promise<Answer> {
    const { conditions, signal } = options;
    if ('like' in question) {
      const vector = await this.store.getVector(question.like);
      const answer = await this.#searchIn(this.store, vector, { ...options, k: options.k + 1 });
      const hits = answer.hits.filter(({ document }) => document.id !== question.like).slice(0, options.k);
      return { ...answer, hits, embedMs: undefined, higherIsBetter: this.higherIsBetter, vectors: () => vectorsOf(this.store, vector, hits) };
    }
    const byWords = options.by === 'words' || embedder === undefined || this.space !== 'meaning';
    const store = byWords ? await this.words() : this.store;
    const started = performance.now();
    const vector = await (byWords ? LEXICAL : embedder).embedQuery(question.text, { signal }).catch((cause: unknown) => {
      throw isCancelled(cause) ? cause : new EmbedderFailed('the language model has stopped', { cause });
    });
    const embedMs = performance.now() - started;
    const answer = await this.#searchIn(store, vector, { ...options, conditions });
    const shares = LEXICAL.sharing(question.text);
    const hits = byWords ? answer.hits.filter(({ document }) => shares(this.#textOf(document))) : answer.hits;
    return { ...answer, hits, embedMs, higherIsBetter: byWords || this.higherIsBetter, vectors: () => vectorsOf(store, vector, hits) };
  }

  async #searchIn(store: VectorStore, vector: Float32Array, { k, conditions, varied, signal }: SearchOptions): Promise<Pick<Answer, 'hits' | 'among' | 'searchMs'>> {
    const filter = toFilter(conditions);
    const options = { k, signal, ...(filter === undefined ? {} : { filter }) };
    const started = performance.now();
    const found = varied
      ? await store.maxMarginalRelevanceSearchWithScoreByVector(vector, { ...options, fetchK: k * CANDIDATES })
      : await store.similaritySearchVectorWithScore(vector, options);
    const searchMs = performance.now() - started;
    return { hits: found.map(([document, score]) => ({ document, score })), among: this.#count, searchMs };
  }

  /** The store of lexical vectors. */
  words(onProgress: (done: number, total: number) => void = () => {}): Promise<VectorStore> {
    this.#words ??= this.#makeWords(onProgress).catch((error: unknown) => {
      this.#words = undefined;
      throw error;
    });
    return this.#words;
  }

  async #makeWords(onProgress: (done: number, total: number) => void): Promise<VectorStore> {
    const words = await VectorStore.create(null, { dim: WORDS_DIM, distanceStrategy: 'cosine' });
    let batch: Document[] = [];
    let done = 0;
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const vectors = await LEXICAL.embedDocuments(batch.map(this.#textOf));
      await words.addVectors(vectors, batch);
      done += batch.length;
      onProgress(done, this.#count);
      batch = [];
    };
    try {
      for await (const document of this.store.documents()) {
        batch.push(document);
        if (batch.length === 64) await flush();
      }
      await flush();
      return words;
    } catch (error) {
      words.free();
      throw error;
    }
  }

  /** The fields of the metadata of documents here and there, with some of their values, to choose filters from. */
  async fields(look = 512): Promise<Map<string, Set<MetadataValue>>> {
    const fields = new Map<string, Set<MetadataValue>>();
    const ids = await this.store.ids();
    const step = Math.max(1, ids.length / look);
    const sample = Array.from({ length: Math.min(look, ids.length) }, (_, i) => ids[Math.floor(i * step)] as string);
    for (const { metadata } of await this.store.getByIds(sample)) {
      for (const [field, value] of Object.entries(metadata)) {
        const values = fields.get(field) ?? new Set();
        values.add(value);
        fields.set(field, values);
      }
    }
    return fields;
  }

  free(): void {
    if (this.space !== 'words') void this.#words?.then((store) => store.free()).catch(() => {});
    this.store.free();
  }
}
