import { TwindexVectorStore } from 'twindex/langchain';

const vowels = (text) => [...'aeiou'].map((vowel) => text.split(vowel).length - 1); // stands in for a model
const embeddings = { embedDocuments: async (texts) => texts.map(vowels), embedQuery: async (text) => vowels(text) };
const metadatas = [{ price: 3 }, { price: 2 }];
const store = await TwindexVectorStore.fromTexts(['a spoon for soup', 'a fork'], metadatas, embeddings, { distanceStrategy: 'cosine' });
await store.save('cutlery');

const loaded = await TwindexVectorStore.load('cutlery', embeddings);
const retriever = loaded.asRetriever({ k: 1, searchType: 'mmr', filter: ({ metadata }) => metadata.price < 5 });
const chain = retriever.pipe(([document]) => document.pageContent);
console.log(await chain.invoke('soup'));
