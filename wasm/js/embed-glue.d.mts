// The module of local embeddings, as wasm-bindgen writes it.

export { startModule, version } from './glue.mjs';

/** The folders of transformer and pooling, by the model's `modules.json`. */
export function foldersOf(modules: Uint8Array | undefined): string[];

export class Model {
  constructor(
    config: Uint8Array | undefined,
    tokenizer: Uint8Array | undefined,
    weights: Uint8Array | undefined,
    pooling: Uint8Array | undefined,
    modules: Uint8Array | undefined,
    sentenceConfig: Uint8Array | undefined,
  );
  readonly dim: number;
  readonly maxSeqLength: number;
  embed(texts: string[], numbers: Uint32Array): Float32Array<ArrayBuffer>;
}
