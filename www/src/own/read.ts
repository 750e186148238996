import { Refused } from '../problems.ts';
import { size } from '../ui/format.ts';
import { type Found, type Kind, kindOf } from './files.ts';
import { type Part, type Read, textOf, type Task } from './texts.ts';

/** The most bytes of a file: texts beyond take hours to embed in a tab, and much memory to split. */
const LARGEST: Record<Kind, number> = { text: 64e6, markdown: 64e6, jsonl: 64e6, unknown: 64e6, html: 16e6, pdf: 512e6, twindex: 0, foreign: 0 };

/** Reads one file and splits it, in a worker. Throws {@link Refused} with what is wrong with it. */
export async function read({ file, path }: Found): Promise<Read> {
  if (file.size === 0) throw new Refused(`${path} is empty.`);
  const kind = kindOf(path);
  const most = LARGEST[kind];
  if (file.size > most) throw new Refused(`${path} is too large: it has ${size(file.size)}, and ${size(most)} is the most. Split it into smaller files.`);
  const parts = await partsOf(file, path, kind);
  const read = await perform(parts === undefined ? { path, file, kind } : { path, parts });
  if (read.passages.length === 0) throw new Refused(`${path} has no text in it.${kind === 'pdf' ? ' It may be a scan: pictures of text.' : ''}`);
  return read;
}

/** What only the page itself can read; `undefined` for the rest. */
async function partsOf(file: File, path: string, kind: Kind): Promise<Part[] | undefined> {
  if (kind === 'html') return [{ text: readable(await textOf(file, path)) }];
  if (kind !== 'pdf') return undefined;
  const { pagesOf } = await import('./pdf.ts');
  return pagesOf(file, path);
}

/** The text of an HTML page. It is parsed as data: nothing in it is run, fetched or shown. */
function readable(html: string): string {
  const page = new DOMParser().parseFromString(html, 'text/html');
  for (const element of page.querySelectorAll('script, style, noscript, template, nav, svg, iframe, [hidden]')) element.remove();
  for (const element of page.querySelectorAll('p, div, section, article, header, footer, li, h1, h2, h3, h4, h5, h6, tr, pre, blockquote, dt, dd, figcaption')) element.append('\n\n');
  for (const element of page.querySelectorAll('br')) element.replaceWith('\n');
  const title = page.title.trim();
  const body = (page.body?.textContent ?? '').replaceAll(/[ \t\u00a0]+/g, ' ').replaceAll(/ ?\n ?/g, '\n').replaceAll(/\n{3,}/g, '\n\n').trim();
  return title === '' || body.startsWith(title) ? body : `${title}\n\n${body}`;
}

/** The worker that reads; another after one that died. */
let worker: Worker | undefined;

function perform(task: Task): Promise<Read> {
  const reader = (worker ??= new Worker(new URL('./read-worker.ts', import.meta.url), { type: 'module' }));
  return new Promise<Read>((resolve, reject) => {
    const { port1, port2 } = new MessageChannel();
    reader.onerror = (event) => {
      event.preventDefault();
      worker = undefined;
      reader.terminate();
      reject(new Refused(`${task.path} cannot be read: the part of this page that reads files has stopped${event.message ? ` (${event.message})` : ''}.`));
    };
    port1.onmessage = ({ data }: MessageEvent<{ read: Read } | { refused: string }>) => {
      port1.close();
      if ('read' in data) resolve(data.read);
      else reject(new Refused(data.refused));
    };
    reader.postMessage({ task, port: port2 }, [port2]);
  });
}
