// The same by `require`.
import documents = require('@langchain/core/documents');
import embeddings = require('@langchain/core/embeddings');
import langchain = require('twindex/langchain');

export async function run(model: embeddings.EmbeddingsInterface): Promise<documents.DocumentInterface[]> {
  const store = await langchain.TwindexVectorStore.fromTexts(['a'], {}, model);
  return store.asRetriever({ k: 1 }).invoke('a');
}
