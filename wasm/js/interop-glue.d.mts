// The second module, as wasm-bindgen writes it: all of the first, and these.

import type { VectorStore as Store } from './glue.mjs';

export { startModule, version } from './glue.mjs';

export type VectorStore = Store & { setSearchParameter(name: string, value: number): Promise<unknown> };

export const VectorStore: {
  new (embeddings: unknown, options: unknown): VectorStore;
  deserialize(bytes: unknown, embeddings: unknown, options: unknown): Promise<VectorStore>;
};

export function readFiles(
  names: string[],
  contents: Uint8Array[],
  distanceStrategy: string | undefined,
  normalizeL2: boolean | undefined,
  indexName: string | undefined,
): Promise<unknown>;

export function writeFiles(store: Uint8Array, format: string, indexName: string): Promise<unknown>;
