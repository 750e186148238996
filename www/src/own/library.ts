import { VectorStore } from 'twindex/worker';
import type { Space } from '../embed/embedder.ts';
import { Collection } from '../search/collection.ts';

/** A collection as it is kept: its name, and in which space its vectors are. A file does not remember its model, so the folder does. */
export interface Saved {
  name: string;
  space: Space;
}

const SPACES: readonly Space[] = ['meaning', 'words', 'other'];
const directory = (space: Space): string => `text-${space}`;
const keyOf = ({ name, space }: Saved): string => `twindex-www:${directory(space)}/${name}`;

const LAST = 'twindex-open';

function remembered(): string | null {
  try {
    return localStorage.getItem(LAST);
  } catch {
    return null;
  }
}

export const same = (a: Saved, b: Saved): boolean => a.name === b.name && a.space === b.space;

/** What happened to a collection in another tab. */
export type News = { saved: Saved } | { removed: Saved };

/** The collections of this browser. Tabs share them: they take turns, and tell each other. */
export class Library {
  readonly #channel = new BroadcastChannel('twindex-www');
  onNews: (news: News) => void = () => {};

  constructor() {
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => this.onNews(data);
  }

  async list(): Promise<Saved[]> {
    const names = await Promise.all(SPACES.map(async (space) => (await VectorStore.list({ directory: directory(space) })).map((name) => ({ name, space }))));
    return names.flat().sort((a, b) => a.name.localeCompare(b.name));
  }

  /** Whether there is such a one: none, where nothing is kept. */
  async has(saved: Saved): Promise<boolean> {
    const all = await this.list().catch(() => []);
    return all.some((other) => same(other, saved));
  }

  /** The one that was open last; the first one, where that is not known or gone. */
  async last(): Promise<Saved | undefined> {
    const all = await this.list();
    return all.find((saved) => JSON.stringify(saved) === remembered()) ?? all[0];
  }

  /** Notes which one is open. */
  remember(saved: Saved | undefined): void {
    try {
      if (saved === undefined) localStorage.removeItem(LAST);
      else localStorage.setItem(LAST, JSON.stringify(saved));
    } catch {
      // It is full, or turned off: the next visit opens another one.
    }
  }

  async load(saved: Saved): Promise<Collection> {
    const store = await VectorStore.load(saved.name, null, { directory: directory(saved.space) });
    return Collection.of(store, { space: saved.space });
  }

  async save(saved: Saved, collection: Collection): Promise<void> {
    await collection.store.save(saved.name, { directory: directory(saved.space) });
    // Browsers may clear what nobody asked them to keep.
    void navigator.storage?.persist?.().catch(() => false);
    this.#channel.postMessage({ saved } satisfies News);
  }

  async remove(saved: Saved): Promise<void> {
    await this.exclusively(saved, () => {}, () => VectorStore.remove(saved.name, { directory: directory(saved.space) }));
    this.#channel.postMessage({ removed: saved } satisfies News);
  }

  /** A name that no collection has: `notes`, else `notes (2)`. */
  async freeName(wanted: string): Promise<string> {
    const taken = new Set((await this.list().catch(() => [])).map(({ name }) => name));
    const plain = [...wanted].filter((character) => !/[/\\:*?"<>|\p{Cc}]/u.test(character)).join('').trim().replace(/^\.+/, '').slice(0, 80) || 'My text';
    for (let number = 1; ; number++) {
      const name = number === 1 ? plain : `${plain} (${number})`;
      if (!taken.has(name)) return name;
    }
  }

  /** Does something while no other tab changes this collection. `waiting` is called if another one is at it. */
  async exclusively<T>(saved: Saved, waiting: () => void, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!(await hasLocks())) return work();
    const { locks } = navigator;
    const name = keyOf(saved);
    const free = await locks.request(name, { ifAvailable: true }, async (lock) => (lock === null ? undefined : { result: await work() }));
    if (free !== undefined) return free.result;
    waiting();
    return locks.request(name, signal === undefined ? {} : { signal }, work) as Promise<T>;
  }
}

/** Whether tabs can wait for each other: not where storage is turned off, and then they share nothing. */
async function hasLocks(): Promise<boolean> {
  try {
    await navigator.locks.query();
    return true;
  } catch {
    return false;
  }
}
