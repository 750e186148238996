import { terminate, VectorStore } from 'twindex/worker';

const vectors = Float32Array.from({ length: 30_000 }, (_, i) => Math.sin(i));
const documents = Array.from({ length: 10_000 }, (_, i) => ({ pageContent: `text ${i}`, id: `${i}` }));
const store = await VectorStore.fromVectors(vectors, documents, null, { dim: 3, transfer: true });
const controller = new AbortController(); // controller.abort() ends the search
const { signal } = controller;
const [[nearest]] = await store.similaritySearchVectorWithScore([0, 0.84, 0.91], { k: 1, signal });
console.log(nearest.id, vectors.length);
await terminate();
