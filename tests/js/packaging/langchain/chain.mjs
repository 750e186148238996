// What a LangChain application does with a store: through the base class, and through retrievers.
import { Document } from '@langchain/core/documents';
import { Embeddings } from '@langchain/core/embeddings';

class Letters extends Embeddings {
  constructor() {
    super({});
  }

  async embedDocuments(texts) {
    return texts.map((text) => ['o', 's', 'f', 'd'].map((letter) => text.split(letter).length - 1));
  }

  async embedQuery(text) {
    return (await this.embedDocuments([text]))[0];
  }
}

const TEXTS = ['a spoon for soup', 'a fork', 'soup of the day', 'forks and spoons', 'one fine day'];
const METADATAS = TEXTS.map((text, i) => ({
  tool: i === 0 || i === 1 || i === 3,
  words: text.split(' ').length,
}));

export async function run(TwindexVectorStore, directory) {
  const embeddings = new Letters();
  const store = await TwindexVectorStore.fromTexts(TEXTS, METADATAS, embeddings);
  const [added] = await store.addDocuments([
    new Document({ pageContent: 'a day off', metadata: { tool: false }, id: 'off' }),
  ]);
  const scored = async (from) =>
    (await from.similaritySearchWithScore('a spoon', 3)).map(([{ pageContent }, score]) => [
      pageContent,
      score,
    ]);
  const texts = (documents) => documents.map(({ pageContent }) => pageContent);

  const before = await scored(store);
  const filtered = texts(await store.similaritySearch('a spoon', 5, { tool: true, words: { $gt: 2 } }));
  const retriever = store.asRetriever({ k: 2, filter: { tool: true } });
  const retrieved = texts(await retriever.invoke('a spoon'));
  const diverse = store.asRetriever({ k: 3, searchType: 'mmr', searchKwargs: { fetchK: 6, lambda: 0.25 } });
  const mmr = texts(await diverse.invoke('a spoon'));
  const piped = await retriever.pipe((documents) => documents.length).invoke('a spoon');

  await store.delete({ ids: [added] });
  await store.save(directory);
  const loaded = await TwindexVectorStore.load(directory, embeddings);
  return {
    added,
    before,
    filtered,
    retrieved,
    mmr,
    piped,
    loaded: await scored(loaded),
    gone: texts(await loaded.similaritySearch('a day off', 9)).includes('a day off'),
  };
}
