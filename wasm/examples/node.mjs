import { VectorStore } from 'twindex';

const vowels = (text) => [...'aeiou'].map((vowel) => text.split(vowel).length - 1); // stands in for a model
const embeddings = { embedDocuments: (texts) => texts.map(vowels), embedQuery: vowels };
const metadatas = [{ price: 3 }, { price: 2 }];
const store = await VectorStore.fromTexts(['a spoon for soup', 'a fork'], metadatas, embeddings, { distanceStrategy: 'cosine' });
await store.save('cutlery', { directory: 'stores' });

const loaded = await VectorStore.load('cutlery', embeddings, { directory: 'stores' });
await loaded.addDocuments([{ pageContent: 'a bowl of soup', metadata: { price: 7 }, id: 'bowl' }]);
const hits = await loaded.similaritySearchWithScore('soup', { k: 2, filter: { price: { $gte: 3 } } });
for (const [document, score] of hits) console.log(score.toFixed(2), document.pageContent, document.metadata);
