import { VectorStore } from 'twindex';

const vowels = (text) => [...'aeiou'].map((vowel) => text.split(vowel).length - 1); // stands in for a model
const embeddings = { embedDocuments: (texts) => texts.map(vowels), embedQuery: vowels };
const store = await VectorStore.fromTexts(['a spoon for soup', 'a fork'], [{ price: 3 }, { price: 2 }], embeddings);
await store.save('cutlery', { directory: 'stores' });

const loaded = await VectorStore.load('cutlery', embeddings, { directory: 'stores' });
await loaded.addDocuments([{ pageContent: 'a bowl of soup', metadata: { price: 7 }, id: 'bowl' }]);
console.log(await loaded.similaritySearchWithScore('soup', { k: 2, filter: { price: { $gte: 3 } } }));
