import { init, VectorStore } from 'twindex'; // or 'twindex/worker'
import { source } from 'twindex/approximate';

await init(source); // before the first call
const vectors = Float32Array.from({ length: 384_000 }, (_, i) => Math.sin(i * i));
const documents = Array.from({ length: 6_000 }, (_, i) => ({ pageContent: `text ${i}`, id: `${i}` }));
const store = await VectorStore.fromVectors(vectors, documents, null, { dim: 64 });
const hits = await store.similaritySearchByVector(vectors.subarray(0, 64), { k: 3, recall: 0.99 });
console.log(hits[0].id);
