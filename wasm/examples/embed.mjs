import { VectorStore } from 'twindex';
import { LocalEmbeddings } from 'twindex/embed';

const model = process.env.TWINDEX_MODEL_DIR; // in a page the folder's URL: '/models/all-MiniLM-L6-v2/'
const embeddings = await LocalEmbeddings.load({ model });
const store = await VectorStore.fromTexts(['a spoon for soup', 'a fork', 'a warm coat'], null, embeddings);
const [best] = await store.similaritySearch('something to wear in winter', 1);
console.log(best.pageContent, embeddings.dim);
embeddings.free();
