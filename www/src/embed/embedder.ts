/** What turns texts into vectors on this page. */

/** Which vectors a store holds: `meaning`, by the model; `words`, by {@link Lexical}; `other`, by something that this page does not have. */
export type Space = 'meaning' | 'words' | 'other';

export interface Cancellable {
  signal?: AbortSignal | undefined;
}

/** Texts to vectors. Any pair of these methods will do, LangChain.js's embeddings for one. */
export interface Embedder {
  embedDocuments(texts: readonly string[], options?: Cancellable): Promise<readonly Float32Array[]>;
  embedQuery(text: string, options?: Cancellable): Promise<Float32Array>;
}

/** The embedder failed, by no fault of what it was given: its worker has stopped. The `cause` says how. */
export class EmbedderFailed extends Error {
  override name = 'EmbedderFailed';
}

/** Numbers in a vector of all-MiniLM-L6-v2. */
export const MEANING_DIM = 384;

/** Numbers in a vector of {@link Lexical}: as many as no model has, so that the one is never taken for the other. */
export const WORDS_DIM = 513;

/** What a store's vectors are, from their length: a file does not say which model made them. */
export function spaceOf(dim: number | null): Space {
  if (dim === MEANING_DIM) return 'meaning';
  return dim === WORDS_DIM ? 'words' : 'other';
}
