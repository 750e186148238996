import type { Metadata } from 'twindex/worker';
import { Refused } from '../problems.ts';
import type { Kind } from './files.ts';
import { split } from './split.ts';

/** A piece of somebody's text, ready to be embedded. */
export interface Passage {
  /** The same for the same place of the same file: a file that is given again takes the place of what it was. */
  id: string;
  text: string;
  metadata: Metadata;
}

export interface Read {
  passages: Passage[];
  /** What could not be read of it, in words. */
  notes: string[];
}

/** A text, or a part of one, with what is known about it. */
export interface Part {
  text: string;
  metadata?: Metadata;
}

/** What is asked of the worker: to read a file and split it, or to split what was read elsewhere. */
export type Task = { path: string } & ({ file: File; kind: Kind } | { parts: Part[] });

/** Reads and splits. Throws {@link Refused} with what is wrong with the file. */
export async function perform(task: Task): Promise<Read> {
  const { path } = task;
  if ('parts' in task) return whole(path, task.parts);
  const text = await textOf(task.file, path);
  if (task.kind === 'jsonl') return lines(text, path);
  return whole(path, task.kind === 'markdown' ? sections(text) : [{ text }]);
}

/** Half of a character that takes two units: no store takes it. */
const HALF = /\p{Cs}/gu;

function whole(path: string, parts: Iterable<Part>): Read {
  const passages: Passage[] = [];
  for (const { text, metadata } of parts) {
    // Half a character, which a PDF may have, is none.
    for (const passage of split(text.replaceAll(HALF, '\ufffd'))) {
      const number = passages.length + 1;
      passages.push({ id: `${path}#${number}`, text: passage, metadata: { source: path, passage: number, ...metadata } });
    }
  }
  return { passages, notes: [] };
}

/** Its text, in UTF-8 or in UTF-16 with a mark; else, of something that is no text, a refusal. */
export async function textOf(file: File, path: string): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    if (bytes.subarray(0, 4096).includes(0)) throw new Refused(`${path} is not a text, and not of a kind that is read here.`);
    text = new TextDecoder('windows-1252').decode(bytes);
  }
  if (text.slice(0, 4096).includes('\0')) throw new Refused(`${path} is not a text, and not of a kind that is read here.`);
  return text;
}

/** Markdown by its headings, each with those above it. */
function* sections(text: string): Generator<Part> {
  const above: string[] = [];
  let body: string[] = [];
  let fence = '';
  const section = (): Part[] => {
    const joined = body.join('\n').trim();
    body = [];
    const heading = above.filter((title) => title !== '').join(' › ');
    return joined === '' ? [] : [{ text: joined, ...(heading === '' ? {} : { metadata: { heading } }) }];
  };
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const mark = /^\s*(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined) fence = fence === '' ? mark : fence === mark ? '' : fence;
    const heading = fence === '' ? /^(#{1,6})\s+(.+?)\s*#*\s*$/.exec(line) : null;
    if (heading === null) {
      body.push(line);
      continue;
    }
    yield* section();
    above.length = (heading[1] as string).length - 1;
    above.push(heading[2] as string);
    for (let i = 0; i < above.length; i++) above[i] ??= '';
    body.push(heading[2] as string);
  }
  yield* section();
}

/** What JSON can spell and a store does not take. */
function fit(key: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Error(`the number of "${key}" is too large`);
  if (key.search(HALF) >= 0 || (typeof value === 'string' && value.search(HALF) >= 0)) throw new Error(`there is half a character in "${key}"`);
  return value;
}

/** JSON Lines: documents, whole, as `twindex build` takes them. Lines that are none are told and passed over. */
function lines(text: string, path: string): Read {
  const passages: Passage[] = [];
  const broken: string[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    try {
      const parsed: unknown = JSON.parse(line, fit);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('it is not an object');
      const { id, text, page_content, pageContent, metadata } = parsed as Record<string, unknown>;
      const content = text ?? page_content ?? pageContent;
      if (typeof content !== 'string' || content.trim() === '') throw new Error('it has no "text"');
      const own = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? (metadata as Metadata) : {};
      passages.push({ id: typeof id === 'string' && id !== '' ? `${path}#${id}` : `${path}#${i + 1}`, text: content, metadata: { source: path, ...own } });
    } catch (error) {
      broken.push(`line ${i + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  // The later of two lines with the same id.
  const unique = [...new Map(passages.map((passage) => [passage.id, passage])).values()];
  const notes = broken.length === 0 ? [] : [`${broken.length} of the lines of ${path} could not be read and were left out (${broken.slice(0, 2).join('; ')}).`];
  return { passages: unique, notes };
}
