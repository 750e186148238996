// Next's edge runtime compiles no module: it wants to be given one, which comes from another realm.
import module from '../../../node_modules/twindex/dist/twindex.wasm?module';
import { init, VectorStore } from 'twindex';

export const runtime = 'edge';

export async function GET() {
  await init(module);
  const store = await VectorStore.fromVectors(
    [
      [3, 4],
      [0, 1],
    ],
    [
      { pageContent: 'a', id: 'a' },
      { pageContent: 'b', id: 'b' },
    ],
  );
  const hits = await store.similaritySearchVectorWithScore([3, 3], 2, ({ id }) => id !== 'b');
  return Response.json(hits.map(([{ id }, score]) => [id, score]));
}
