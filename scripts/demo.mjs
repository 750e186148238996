// The other half of scripts/demo.sh: opens the index that the native program built, with the npm package, and searches it.
import { VectorStore } from '../wasm/dist/node.mjs';

const [folder] = process.argv.slice(2);
const store = await VectorStore.load('index', null, { directory: folder });
const { count, dim, distanceStrategy, simd } = await store.info();
console.log(`${count} documents, ${dim} numbers each, ${distanceStrategy}, scanned by ${simd}`);

// A stored document stands for the question: what else is said about it?
const [id] = await store.ids();
const hits = await store.similaritySearchVectorWithScore(await store.getVector(id), 3);
for (const [{ pageContent }, score] of hits) {
  console.log(`${score.toFixed(4)}  ${pageContent.replaceAll(/\s+/g, ' ').slice(0, 100)}`);
}
store.free();
