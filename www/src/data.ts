/**
 * What lies beside the page in `data/`: the dictionary and the model. `data/site.json`, which scripts/www.sh writes, says what there is. Files are kept in
 * Cache Storage under the digest of their content, so that a visit downloads them once and later ones need no network.
 */

const CACHE = 'twindex-data';

/** What `data/site.json` says. */
export interface Site {
  dictionary: {
    /** Where it is. */
    url: string;
    bytes: number;
    /** SHA-256, as hexadecimal digits. */
    sha256: string;
    entries: number;
    /** Whose it is. */
    source: string;
  } | null;
  /** The same entries in an index that does not look at all of them, to compare with. */
  approximate: { url: string; bytes: number; sha256: string; kind: string } | null;
  model: { url: string; name: string; bytes: number } | null;
  /** What the native program took for a question, embedding and search, on the machine that built the index; of how many in one call. */
  native: { questionMs: number; questions: number } | null;
}

const NOTHING: Site = { dictionary: null, approximate: null, model: null, native: null };

/** What there is, and what is wrong where that could not be learned. */
export interface Found {
  site: Site;
  /** In words; `undefined` where all is well, and where nobody has put anything there. */
  problem: string | undefined;
}

/** Reads what there is: nothing, where nobody has put anything there. */
export async function readSite(): Promise<Found> {
  const url = new URL('data/site.json', document.baseURI);
  try {
    const response = await newest(url.href);
    if (response.status === 404) return { site: NOTHING, problem: undefined };
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const site = parse(await response.clone().text(), url);
    await (await openCache())?.put(url.href, response).catch(() => {});
    return { site, problem: undefined };
  } catch (error) {
    return { site: NOTHING, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Checks what `data/site.json` says, so that what is missing is told here and not where it is first used. */
function parse(text: string, url: URL): Site {
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    throw new Error(`${url.pathname} is damaged: it is not JSON`);
  }
  if (!isObject(told)) throw new Error(`${url.pathname} is damaged: it is not an object`);
  const part = <Part>(name: keyof Site, fields: Record<keyof Part, 'string' | 'number'>): Part | null => {
    const value = told[name] ?? null;
    if (value === null) return null;
    for (const [field, type] of Object.entries(fields)) {
      if (!isObject(value) || typeof value[field] !== type) throw new Error(`${url.pathname} is damaged: ${name}.${field} is no ${type}`);
    }
    return value as Part;
  };
  const absolute = <Part extends { url: string }>(file: Part | null): Part | null => (file === null ? null : { ...file, url: new URL(file.url, url).href });
  const file = { url: 'string', bytes: 'number', sha256: 'string' } as const;
  return {
    dictionary: absolute(part<NonNullable<Site['dictionary']>>('dictionary', { ...file, entries: 'number', source: 'string' })),
    approximate: absolute(part<NonNullable<Site['approximate']>>('approximate', { ...file, kind: 'string' })),
    model: absolute(part<NonNullable<Site['model']>>('model', { url: 'string', name: 'string', bytes: 'number' })),
    native: part<NonNullable<Site['native']>>('native', { questionMs: 'number', questions: 'number' }),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the network says, else what it said last; also where a server has trouble of its own. */
async function newest(url: string): Promise<Response> {
  const before = async (): Promise<Response | undefined> => (await openCache())?.match(url);
  try {
    const response = await fetch(url, { cache: 'no-cache' });
    return response.status < 500 ? response : ((await before()) ?? response);
  } catch {
    const had = await before();
    if (had === undefined) throw new Error('the network failed, and this browser has no copy of it');
    return had;
  }
}

/** Where a file comes from. */
export interface Fetched {
  content: Blob;
  /** Whether it is kept, so that the next visit needs no network. */
  kept: boolean;
}

/**
 * A file of `data/`: the copy that is kept, or else the network's, which is checked and then kept.
 */
export async function fetchKept(file: { url: string; bytes: number; sha256: string }, onProgress: (loaded: number) => void): Promise<Fetched> {
  const cache = await openCache();
  const key = keyOf(file);
  const had = await cache?.match(key);
  if (had !== undefined) {
    onProgress(file.bytes);
    return { content: await had.blob(), kept: true };
  }
  const content = await download(file.url, onProgress);
  await check(content, file.sha256);
  return { content, kept: await keep(cache, key, content) };
}

/** Forgets the copy that is kept. */
export async function forget(file: { url: string; sha256: string }): Promise<void> {
  await (await openCache())?.delete(keyOf(file));
}

const keyOf = ({ url, sha256 }: { url: string; sha256: string }): string => `${url}?sha256=${sha256}`;

/** None on pages that are not secure, and where people have turned storage off. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

async function download(url: string, onProgress: (loaded: number) => void): Promise<Blob> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`${url} cannot be fetched: the server answered ${response.status}`);
  let loaded = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        loaded += chunk.byteLength;
        onProgress(loaded);
        controller.enqueue(chunk);
      },
    }),
  );
  return new Response(counted).blob();
}

async function check(content: Blob, expected: string): Promise<void> {
  if (globalThis.crypto?.subtle === undefined) return; // Twindex files have checksums of their own.
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await content.arrayBuffer()));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (found !== expected) throw new Error('the file did not arrive as it was sent (its SHA-256 differs)');
}

/** Keeps it in place of older versions. Whether there was room. */
async function keep(cache: Cache | undefined, key: string, content: Blob): Promise<boolean> {
  if (cache === undefined) return false;
  try {
    await cache.put(key, new Response(content));
    const [file] = key.split('?');
    for (const request of await cache.keys()) {
      if (request.url !== key && request.url.split('?')[0] === file) await cache.delete(request);
    }
    return true;
  } catch {
    return false;
  }
}
