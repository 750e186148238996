import { type Embedder, EmbedderFailed } from '../embed/embedder.ts';
import { codeOf, describe, isCancelled, isGone, Refused } from '../problems.ts';
import type { Collection } from '../search/collection.ts';
import type { Found } from './files.ts';
import { counted } from '../ui/format.ts';
import { read } from './read.ts';

/** How far an indexing is. */
export interface Progress {
  /** Of 1, by the bytes of the files. */
  part: number;
  file: string;
  filesDone: number;
  files: number;
  passages: number;
  perSecond: number;
  secondsLeft: number | undefined;
}

export interface Outcome {
  passages: number;
  files: number;
  cancelled: boolean;
}

export interface IndexOptions {
  embedder: Embedder;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
  /** Something could not be read; the rest goes on. */
  onRefusal(text: string): void;
  /** Called now and then, and at the end: what is indexed so far is to be kept. */
  save(): Promise<void>;
}

/** Texts between two looks at the progress, and at what else waits. */
const BATCH = 16;
/** Milliseconds between two saves. */
const SAVE_EVERY = 10_000;

/** What says that a document is none that a store takes. */
const UNFIT: ReadonlySet<string | undefined> = new Set(['invalid_metadata', 'invalid_argument']);

/**
 * Reads, splits, embeds and adds files to a collection, which can be searched meanwhile. Cancelled, it keeps what it has. A file that was indexed before takes
 * the place of what it was, once it is there whole.
 */
export async function index(collection: Collection, found: readonly Found[], options: IndexOptions): Promise<Outcome> {
  const { embedder, signal, onProgress, onRefusal, save } = options;
  const before = new Set(collection.count === 0 ? [] : await collection.store.ids());
  const bytes = found.reduce((sum, { file }) => sum + file.size, 0);
  const started = performance.now();
  let bytesDone = 0;
  let passages = 0;
  let files = 0;
  let saved = performance.now();
  try {
    for (const [filesDone, item] of found.entries()) {
      signal.throwIfAborted();
      const tell = (part: number): void => {
        const seconds = (performance.now() - started) / 1000;
        const done = bytes === 0 ? 1 : (bytesDone + item.file.size * part) / bytes;
        onProgress({ part: done, file: item.path, filesDone, files: found.length, passages, perSecond: passages / Math.max(seconds, 0.001), secondsLeft: done > 0.02 && seconds > 2 ? (seconds / done) * (1 - done) : undefined });
      };
      tell(0);
      try {
        const { passages: all, notes } = await read(item);
        for (const note of notes) onRefusal(note);
        for (let at = 0; at < all.length; at += BATCH) {
          signal.throwIfAborted();
          const batch = all.slice(at, at + BATCH);
          const vectors = await embedder.embedDocuments(batch.map(({ text }) => text), { signal }).catch((cause: unknown) => {
            throw isCancelled(cause) ? cause : new EmbedderFailed('the language model has stopped', { cause });
          });
          await collection.upsert(vectors, batch.map(({ id, text, metadata }) => ({ id, pageContent: text, metadata }))).catch((error: unknown) => {
            throw UNFIT.has(codeOf(error)) ? new Refused(`${item.path} cannot be indexed${at > 0 ? ` beyond its first ${counted(at, 'passage')}` : ''}. ${describe(error)}`) : error;
          });
          passages += batch.length;
          tell((at + batch.length) / all.length);
          if (performance.now() - saved > SAVE_EVERY) {
            await save();
            saved = performance.now();
          }
        }
        await forgetOld(collection, before, item.path, new Set(all.map(({ id }) => id)));
        files++;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        onRefusal(error.message);
      }
      bytesDone += item.file.size;
    }
  } catch (error) {
    const cancelled = isCancelled(error);
    if (!isGone(error)) await save();
    if (!cancelled) throw error;
    return { passages, files, cancelled };
  }
  await save();
  return { passages, files, cancelled: false };
}

/** Deletes what an earlier version of a file had and this one has not. */
async function forgetOld(collection: Collection, before: ReadonlySet<string>, path: string, now: ReadonlySet<string>): Promise<void> {
  const old = [...before].filter((id) => id.startsWith(`${path}#`) && !now.has(id));
  if (old.length === 0) return;
  await collection.delete(old);
}
