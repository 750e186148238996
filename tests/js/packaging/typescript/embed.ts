// twindex/embed: a model goes where a store takes embeddings.
import { VectorStore, VectorStoreError as MainError } from 'twindex';
import {
  LocalEmbeddings,
  VectorStoreError,
  version,
  type Embeddings,
  type EmbedTextsOptions,
  type LoadOptions,
  type LoadProgress,
  type ModelFiles,
  type ModelOptions,
} from 'twindex/embed';

declare const page: Worker;
declare const blob: Blob;
declare const bytes: Uint8Array;
declare const signal: AbortSignal | undefined;

const files: ModelFiles = { weights: blob, tokenizer: new URL('https://example.org/tokenizer.json'), config: bytes, pooling: undefined };
const kept: ModelOptions = { model: '/model/', cache: 'mine' };
const loads: LoadOptions[] = [
  kept,
  { model: files, cache: false, signal, wasm: bytes, worker: page },
  { model: new URL('https://example.org/'), wasm: 'twindex-embed.wasm', worker: 'host.mjs' },
  { model: files, onProgress: ({ loaded, total }: LoadProgress) => console.log(total === null ? loaded : loaded / total) },
];
const texts: EmbedTextsOptions = { batchSize: 8, signal, onProgress: async ({ done, total }) => console.log(done / total) };

export async function use(): Promise<string> {
  const models: LocalEmbeddings[] = await Promise.all(loads.map((options) => LocalEmbeddings.load(options)));
  const [model] = models;
  if (model === undefined) return version;
  const embeddings: Embeddings = model;
  const store = await VectorStore.fromTexts(['a'], null, model, { batchSize: 8 });
  const vectors: Float32Array[] = await model.embedDocuments(['a', 'b'] as const, texts);
  await store.addVectors(vectors, [{ pageContent: 'a' }, { pageContent: 'b' }]);
  const vector: Float32Array = await model.embedQuery('a', { signal });
  const found: boolean = (await LocalEmbeddings.isCached(kept)) || (await LocalEmbeddings.removeCached(kept));
  const error: MainError = new VectorStoreError('message', 'embeddings_model');
  model[Symbol.dispose]();
  return `${embeddings} ${vector.length} ${model.dim} ${model.maxSeqLength} ${model.cached} ${found} ${error.code}`;
}

export async function misuse(model: LocalEmbeddings): Promise<void> {
  // @ts-expect-error a model is not made with `new`
  new LocalEmbeddings();
  // @ts-expect-error a model has weights
  await LocalEmbeddings.load({ model: { tokenizer: '/tokenizer.json', config: '/config.json' } });
  // @ts-expect-error there is no such option
  await LocalEmbeddings.load({ model: '/model/', quantized: true });
  // @ts-expect-error texts are strings
  await model.embedDocuments([1]);
  // @ts-expect-error what a model is cannot be changed
  model.dim = 1;
}
