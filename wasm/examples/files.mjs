import { VectorStore } from 'twindex';

const vowels = (text) => [...'aeiou'].map((vowel) => text.split(vowel).length - 1); // stands in for a model
const embeddings = { embedDocuments: (texts) => texts.map(vowels), embedQuery: vowels };
const made = await VectorStore.fromTexts(['a spoon for soup', 'a fork'], null, embeddings);
const { files } = await made.toLangChain(); // { 'index.faiss', 'index.pkl' }, as Python's load_local opens them

const store = await VectorStore.fromLangChain(files, embeddings);
const report = await store.importReport();
console.log(report.source, report.index, report.documents);
