/** Files as people drop and pick them: sorted by what is done with them. */

/** A file and where it lay in what was dropped: `notes/2024/june.md`. */
export interface Found {
  file: File;
  path: string;
}

export type Kind = 'text' | 'markdown' | 'html' | 'pdf' | 'jsonl' | 'twindex' | 'foreign' | 'unknown';

const KINDS = new Map<string, Kind>(Object.entries({
  txt: 'text', text: 'text', log: 'text', csv: 'text', tsv: 'text', rst: 'text', tex: 'text', org: 'text', srt: 'text',
  md: 'markdown', markdown: 'markdown', mdx: 'markdown',
  html: 'html', htm: 'html', xhtml: 'html',
  pdf: 'pdf',
  jsonl: 'jsonl', ndjson: 'jsonl',
  twindex: 'twindex',
  faiss: 'foreign', pkl: 'foreign', pickle: 'foreign',
}));

/** Names that LangChain.js gives the parts of its folders. */
const FOREIGN_NAMES = new Set(['faiss.index', 'docstore.json', 'args.json', 'hnswlib.index']);

/** What is done with a file, by its name alone. */
export function kindOf(path: string): Kind {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (FOREIGN_NAMES.has(name)) return 'foreign';
  return KINDS.get(name.slice(name.lastIndexOf('.') + 1)) ?? 'unknown';
}

/** Files that systems leave in folders, which nobody means. */
const isHidden = (path: string): boolean => /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/.test(path);

/** Files that were picked, alone or by their folder. */
export function picked(files: Iterable<File>): Found[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })).filter(({ path }) => !isHidden(path));
}

/**
 * Files that were dropped, folders with everything in them. Has to be called while the event lasts: what it was given is taken in before this returns.
 */
export function dropped(data: DataTransfer): Promise<Found[]> {
  const entries = [...data.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return walk(entries);
}

async function walk(entries: readonly (FileSystemEntry | File | null)[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const entry of entries) {
    if (entry === null) continue;
    if (entry instanceof File) {
      found.push({ file: entry, path: entry.name });
      continue;
    }
    const path = entry.fullPath.replace(/^\//, '');
    if (isHidden(path)) continue;
    if (entry.isFile) found.push({ file: await fileOf(entry as FileSystemFileEntry), path });
    else found.push(...(await walk(await childrenOf(entry as FileSystemDirectoryEntry))));
  }
  return found;
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> => new Promise((resolve, reject) => entry.file(resolve, reject));

/** A folder is read by portions, until an empty one. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return children.sort((a, b) => (a.name < b.name ? -1 : 1));
    children.push(...some);
  }
}

/**
 * Gives files whose path is taken another one, as `notes (2).txt`: browsers tell a file's name, not where it lies. Those that are to `replace` what is there
 * keep their path; of two that were given at once, one does.
 */
export function apart(found: readonly Found[], taken: ReadonlySet<string>, replace: boolean): Found[] {
  const used = new Set([...taken, ...found.map(({ path }) => path)]);
  const given = new Set<string>();
  return found.map((item) => {
    const isFirst = !given.has(item.path);
    given.add(item.path);
    if (isFirst && (replace || !taken.has(item.path))) return item;
    const path = freePath(item.path, used);
    used.add(path);
    return { ...item, path };
  });
}

function freePath(path: string, used: ReadonlySet<string>): string {
  const [, stem = path, extension = ''] = /^(.*?[^/])(\.[^./]*)?$/s.exec(path) ?? [];
  for (let number = 2; ; number++) {
    const free = `${stem} (${number})${extension}`;
    if (!used.has(free)) return free;
  }
}
