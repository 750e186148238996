import { type ImportReport, VectorStore } from 'twindex/worker';
import type { Choice } from '../compare/view.ts';
import { type Embedder, EmbedderFailed, MEANING_DIM, type Space, WORDS_DIM } from '../embed/embedder.ts';
import { Lexical } from '../embed/lexical.ts';
import type { Model } from '../embed/model.ts';
import { codeOf, describe, isCancelled, isGone } from '../problems.ts';
import { Restarts } from '../restarts.ts';
import { Collection } from '../search/collection.ts';
import { SearchPanel } from '../search/panel.ts';
import { ask } from '../ui/ask.ts';
import { fill, h } from '../ui/dom.ts';
import { count, counted, duration, size } from '../ui/format.ts';
import type { Frames } from '../ui/frames.ts';
import { Messages } from '../ui/messages.ts';
import { apart, type Found, kindOf, picked } from './files.ts';
import { FieldFilters } from './filters.ts';
import { index, type Progress } from './index-job.ts';
import { Library, type Saved, same } from './library.ts';
import { passageLook } from './look.ts';

/** An index beyond this does not fit into a tab beside the rest: a store has 4 GiB at most. */
const LARGEST_INDEX = 2_000_000_000;

interface Open {
  saved: Saved;
  collection: Collection;
  /** Whether all of it is kept in this browser. */
  isKept: boolean;
  /** Whether all of it was exported. */
  isExported: boolean;
}

const isSafe = (open: Open | undefined): boolean => open === undefined || open.isKept || open.isExported;

/** Somebody's own text: dropped, indexed, kept, searched. */
export class OwnView {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #library = new Library();
  readonly #messages = new Messages();
  readonly #filters = new FieldFilters();
  readonly #panel: SearchPanel;
  readonly #shelf = h('div', { class: 'shelf', hidden: true });
  readonly #job = h('section', { class: 'job', hidden: true, 'aria-label': 'Indexing' });
  readonly #lead = h('p', { class: 'lead' }, 'It is cut into passages, indexed and kept in this browser, and searched by meaning. It never leaves this machine.');
  readonly #drop: HTMLElement;
  readonly #words = new Lexical();
  #open: Open | undefined;
  #running: AbortController | undefined;
  #queue: Found[] = [];
  /** What takes in files: one after another, for each may put another collection in place of the open one. */
  #taking: Promise<void> = Promise.resolve();
  readonly #restarts = new Restarts();

  static async open(model: Model, frames: Frames): Promise<OwnView> {
    const view = new OwnView(model, frames);
    await view.#start();
    return view;
  }

  private constructor(model: Model, frames: Frames) {
    this.#model = model;
    this.#panel = new SearchPanel(passageLook, this.#filters, { model, frames, recover: (error) => this.#recover(error) });
    this.#panel.element.hidden = true;
    const files = h('input', { type: 'file', multiple: true, class: 'unseen', tabindex: -1, 'aria-label': 'Files to add', onchange: () => { void this.add(picked(files.files ?? [])); files.value = ''; } });
    const folder = h('input', { type: 'file', webkitdirectory: true, class: 'unseen', tabindex: -1, 'aria-label': 'Folder to add', onchange: () => { void this.add(picked(folder.files ?? [])); folder.value = ''; } });
    this.#drop = h('div', { class: 'drop' },
      h('p', { class: 'large' }, 'Drop files or a folder anywhere on this page.'),
      h('div', { class: 'row' },
        h('button', { type: 'button', class: 'main', onclick: () => files.click() }, 'Choose files'),
        h('button', { type: 'button', class: 'second', onclick: () => folder.click() }, 'Choose a folder'),
      ),
      h('p', { class: 'kinds' }, 'Text, Markdown, HTML, PDF, JSON Lines; a Twindex file, a LangChain ', h('code', {}, 'faiss_index'), ' folder, a ', h('code', {}, '.faiss'), ' file.'),
      files, folder,
    );
    this.element = h('div', { class: 'view' },
      h('h1', {}, 'Your own text'),
      this.#lead, this.#messages.element, this.#drop, this.#job, this.#shelf, this.#panel.element,
    );
  }

  /** What can be compared on, while a collection is open. */
  get choice(): Choice | undefined {
    if (this.#open === undefined) return undefined;
    const { saved, collection } = this.#open;
    return { name: `Your text: ${saved.name}`, collection, one: passageLook.one, many: passageLook.many, approximate: null, native: null };
  }

  focus(): void {
    if (this.#open !== undefined) this.#panel.focus();
  }

  async #start(): Promise<void> {
    this.#library.onNews = (news) => void this.#hear(news);
    addEventListener('beforeunload', (event) => {
      if (this.#running !== undefined || !isSafe(this.#open)) event.preventDefault();
    });
    const { state } = this.#model;
    if (state.is === 'absent' && state.problem !== undefined) {
      this.#messages.tell('problem', `Whether there is a language model could not be read. ${describe(state.problem)} What you add now is indexed by its words, not by meaning.`, { label: 'Try again', act: () => location.reload() });
    }
    try {
      const saved = await this.#library.last();
      if (saved !== undefined) await this.#show(saved);
    } catch (error) {
      this.#messages.tell('problem', describe(error));
    }
    await this.#drawShelf();
  }

  /** Opens what is kept under a name. */
  async #show(saved: Saved): Promise<void> {
    try {
      this.#become(saved, await this.#library.load(saved), true);
    } catch (error) {
      if (codeOf(error) === 'file_not_found') return;
      this.#messages.tell('problem', `“${saved.name}” could not be opened. ${describe(error)}`, { label: 'Try again', act: () => void this.#show(saved) });
    }
  }

  #become(saved: Saved, collection: Collection, isKept: boolean): void {
    const before = this.#open?.collection;
    this.#open = { saved, collection, isKept, isExported: false };
    this.#library.remember(saved);
    this.#panel.element.hidden = false;
    this.#drop.classList.add('small');
    this.#lead.hidden = true;
    this.#panel.use(collection);
    before?.free();
    void this.#offerFields();
    void this.#drawShelf();
  }

  async #offerFields(): Promise<void> {
    const collection = this.#open?.collection;
    const fields = await collection?.fields().catch(() => undefined);
    if (collection === this.#open?.collection) this.#filters.offer(fields ?? new Map());
  }

  async #close(): Promise<void> {
    this.#open?.collection.free();
    this.#open = undefined;
    this.#library.remember(undefined);
    this.#panel.use(null);
    this.#panel.element.hidden = true;
    this.#drop.classList.remove('small');
    this.#lead.hidden = false;
    await this.#drawShelf();
  }

  /** The collections that there are, and what can be done with the open one. */
  async #drawShelf(): Promise<void> {
    const list = await this.#library.list().catch((): Saved[] => []);
    const open = this.#open;
    if (open !== undefined && !list.some((saved) => same(saved, open.saved))) list.unshift(open.saved);
    this.#shelf.hidden = list.length === 0;
    if (list.length === 0) return;
    const choice = h('select', { 'aria-label': 'Collection', onchange: () => void this.#choose(list[Number(choice.value)]) },
      open === undefined && h('option', { value: '' }, 'choose one'),
      list.map((saved, i) => h('option', { value: i, selected: open !== undefined && same(saved, open.saved) }, saved.space === 'words' ? `${saved.name} (by words)` : saved.name)),
    );
    const busy = this.#running !== undefined;
    choice.disabled = busy;
    fill(this.#shelf, h('div', { class: 'row' },
      h('label', { class: 'pick' }, h('span', {}, 'Collection'), choice),
      open !== undefined && h('span', {}, counted(open.collection.count, 'passage')),
      open !== undefined && !open.isKept && h('b', {}, 'not kept in this browser'),
      h('button', { type: 'button', class: 'quiet', disabled: busy, onclick: () => void this.#startNew() }, 'New'),
      open !== undefined && h('button', { type: 'button', class: 'quiet', onclick: () => void this.#export() }, 'Export'),
      open !== undefined && !open.isKept && h('button', { type: 'button', class: 'quiet', onclick: () => void this.#save() }, 'Keep'),
      open !== undefined && h('button', { type: 'button', class: 'quiet', disabled: busy, onclick: () => void this.#askToRemove() }, 'Remove'),
    ));
  }

  async #choose(saved: Saved | undefined): Promise<void> {
    if (saved !== undefined && (await this.#mayLeave())) await this.#show(saved);
    await this.#drawShelf();
  }

  async #startNew(): Promise<void> {
    if (await this.#mayLeave()) await this.#close();
  }

  /** Whether nothing is lost if the open collection is closed. */
  async #mayLeave(): Promise<boolean> {
    if (this.#open === undefined || isSafe(this.#open)) return true;
    this.#messages.tell('problem', `“${this.#open.saved.name}” is in this tab only, for it could not be kept. Export it, or remove others and keep it, before you open another.`);
    return false;
  }

  async #askToRemove(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const question = `Remove “${open.saved.name}” with its ${counted(open.collection.count, 'passage')} from this browser? The files that it was made of stay where they are.`;
    if (await ask(question, 'Remove it')) await this.#remove(open.saved);
  }

  async #remove(saved: Saved): Promise<void> {
    try {
      if (await this.#library.has(saved)) await this.#library.remove(saved);
      if (this.#open !== undefined && same(this.#open.saved, saved)) await this.#close();
      else await this.#drawShelf();
    } catch (error) {
      this.#messages.tell('problem', `“${saved.name}” could not be removed. ${describe(error)}`);
    }
  }

  async #export(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    try {
      const url = URL.createObjectURL(new Blob([await open.collection.store.serialize()], { type: 'application/octet-stream' }));
      h('a', { href: url, download: `${open.saved.name}.twindex` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      open.isExported = this.#running === undefined;
    } catch (error) {
      this.#messages.tell('problem', `“${open.saved.name}” could not be exported. ${describe(error)}`);
    }
  }

  /** Keeps the open collection. What cannot be kept stays open, and can be exported. */
  async #save(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    try {
      await this.#library.save(open.saved, open.collection);
      open.isKept = true;
    } catch (error) {
      open.isKept = false;
      const full = codeOf(error) === 'quota_exceeded' ? await storageUse() : '';
      this.#messages.tell('problem', `“${open.saved.name}” could not be kept. ${describe(error)}${full} It stays open in this tab: export it, or remove other collections and keep it then.`, { label: 'Export', act: () => void this.#export() });
    }
    await this.#drawShelf();
  }

  /** Takes in what was dropped. */
  async take(found: Promise<Found[]>): Promise<void> {
    try {
      await this.add(await found);
    } catch (error) {
      this.#messages.tell('problem', describe(error));
    }
  }

  /** Takes in files: indexes are opened, texts are indexed. */
  async add(found: readonly Found[]): Promise<void> {
    if (found.length === 0) return void this.#messages.tell('note', 'There is no file in that.');
    const foreign = found.filter(({ path }) => kindOf(path) === 'foreign');
    const stores = found.filter(({ path }) => kindOf(path) === 'twindex');
    const texts = found.filter((item) => !foreign.includes(item) && !stores.includes(item));
    if (stores.length + foreign.length > 0) await this.#afterOthers(() => this.#importAll(stores, foreign));
    if (texts.length === 0) return;
    this.#queue.push(...texts);
    await this.#afterOthers(() => this.#indexQueue());
  }

  #afterOthers(work: () => Promise<void>): Promise<void> {
    this.#taking = this.#taking.then(work);
    return this.#taking;
  }

  async #importAll(stores: readonly Found[], foreign: readonly Found[]): Promise<void> {
    for (const item of stores) await this.#import(item.path, [item], () => VectorStore.deserialize(item.file));
    // A folder is one index; so are the files that were dropped side by side.
    for (const folder of new Set(foreign.map(({ path }) => folderOf(path)))) {
      const files = foreign.filter(({ path }) => folderOf(path) === folder);
      await this.#import(folder || ((files.find(({ path }) => /faiss/i.test(path)) ?? files[0])?.path ?? ''), files, () => VectorStore.fromLangChain(files.map(({ file }) => file)));
    }
  }

  async #import(path: string, found: readonly Found[], open: () => Promise<VectorStore>): Promise<void> {
    const name = path.slice(path.lastIndexOf('/') + 1).replace(/\.(twindex|faiss|pkl|pickle|index|json)$/i, '');
    const bytes = found.reduce((sum, { file }) => sum + file.size, 0);
    try {
      if (!(await this.#mayLeave())) return;
      for (const { file, path: one } of found) if (file.size === 0) throw new Error(`${one} is empty`);
      if (bytes > LARGEST_INDEX) throw new Error(`it has ${size(bytes)}, and ${size(LARGEST_INDEX)} is the most that fits into a tab`);
      const store = await open();
      const report = await store.importReport();
      const collection = await Collection.of(store);
      await this.#keepAs(name, collection);
      this.#messages.tell('note', `${told(path, report, collection.count)}${collection.space === 'meaning' && report !== null ? ` Its vectors have ${MEANING_DIM} numbers, as those of all-MiniLM-L6-v2 have, and are taken for them.` : ''}`);
    } catch (error) {
      this.#messages.tell('problem', `${path} could not be opened. ${describe(error)}`);
    }
  }

  /** Keeps something new under a name that is free, also in other tabs. */
  async #keepAs(wanted: string, collection: Collection): Promise<void> {
    for (let isKept = false; !isKept; ) {
      const saved = { name: await this.#library.freeName(wanted), space: collection.space };
      isKept = await this.#library.exclusively(saved, () => {}, async () => {
        if (await this.#library.has(saved)) return false;
        this.#become(saved, collection, false);
        await this.#save();
        return true;
      });
    }
  }

  async #indexQueue(): Promise<void> {
    // What came while others were indexed went with them.
    if (this.#queue.length === 0) return;
    const controller = new AbortController();
    const { signal } = controller;
    this.#running = controller;
    this.#messages.clearNotes();
    void this.#drawShelf();
    try {
      await this.#waitForModel(signal);
      while (this.#queue.length > 0) {
        const open = this.#open ?? (await this.#make());
        const embedder = this.#embedderOf(open.collection.space);
        if (embedder === undefined) {
          this.#queue = [];
          this.#messages.tell('problem', `Nothing can be added to “${open.saved.name}”: its vectors were made by a model that is not here. Choose “New” for a new collection.`);
          return;
        }
        const found = this.#queue.splice(0);
        const waiting = (): void => this.#drawJob('Another tab is adding to this collection: waiting for it.', undefined);
        await this.#library.exclusively(open.saved, waiting, () => this.#index(found, embedder, signal), signal);
      }
    } catch (error) {
      if (!isCancelled(error)) this.#messages.tell('problem', `Indexing stopped. ${describe(error)} ${this.#open?.isKept ? 'What was kept before is still there; drop the files again to go on.' : ''}`);
      if (error instanceof EmbedderFailed) void this.#model.restart(error.cause);
      else await this.#recover(error);
    } finally {
      this.#running = undefined;
      this.#queue = [];
      this.#job.hidden = true;
      this.#panel.search();
      await this.#drawShelf();
    }
  }

  /** Texts that are indexed by words stay so: rather wait for a model that is on its way. */
  async #waitForModel(signal: AbortSignal): Promise<void> {
    if (this.#open !== undefined && this.#open.collection.space !== 'meaning') return;
    if (this.#model.state.is === 'unasked') void this.#model.load();
    const draw = (): void => {
      const { state } = this.#model;
      if (state.is === 'loading') this.#drawJob(`Waiting for the language model: ${size(state.loaded)}${state.total === null ? '' : ` of ${size(state.total)}`}.`, state.total === null ? undefined : state.loaded / state.total);
    };
    this.#model.addEventListener('change', draw, { signal });
    draw();
    const cancelled = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
    await Promise.race([this.#model.settled(), cancelled]);
    this.#model.removeEventListener('change', draw);
  }

  #embedderOf(space: Space): Embedder | undefined {
    if (space === 'words') return this.#words;
    return space === 'meaning' ? this.#model.embedder : undefined;
  }

  async #make(): Promise<Open> {
    const space: Space = this.#model.embedder === undefined ? 'words' : 'meaning';
    const store = await VectorStore.create(null, { dim: space === 'words' ? WORDS_DIM : MEANING_DIM, distanceStrategy: 'cosine' });
    const [first] = this.#queue;
    const folder = first === undefined ? '' : first.path.split('/').length > 1 ? (first.path.split('/')[0] ?? '') : '';
    this.#become({ name: await this.#library.freeName(folder || 'My text'), space }, await Collection.of(store, { space }), true);
    return this.#open!;
  }

  async #index(found: readonly Found[], embedder: Embedder, signal: AbortSignal): Promise<void> {
    await this.#reread();
    const started = performance.now();
    const open = this.#open!;
    const { collection, saved } = open;
    open.isExported = false;
    let shown = 0;
    const outcome = await index(collection, await this.#keptApart(found, open), {
      embedder,
      signal,
      save: () => this.#save(),
      onRefusal: (text) => this.#messages.tell('problem', text),
      onProgress: (progress) => {
        this.#drawProgress(progress);
        if (performance.now() - shown < 1000) return;
        shown = performance.now();
        this.#panel.search();
      },
    });
    await this.#offerFields();
    const took = duration(performance.now() - started);
    if (outcome.cancelled) this.#messages.tell('note', `Cancelled. The ${counted(outcome.passages, 'passage')} that were indexed are in “${saved.name}”.`);
    else if (outcome.files > 0) this.#messages.tell('note', `${counted(outcome.passages, 'passage')} of ${counted(outcome.files, 'file')} indexed in ${took}.`);
  }

  /** Files whose names are in the collection are newer versions, or others of the same name: only who gives them knows. */
  async #keptApart(found: readonly Found[], { collection, saved }: Open): Promise<Found[]> {
    const taken = pathsOf(await collection.store.ids());
    const again = [...new Set(found.map(({ path }) => path).filter((path) => taken.has(path)))];
    const [first = ''] = again;
    const question = `${again.length === 1 ? `${first} is` : `${first} and ${counted(again.length - 1, 'other')} of these files are`} in “${saved.name}” already, by name. Replace what is there by what you add now, or keep both?`;
    const replace = again.length > 0 && (await ask(question, 'Replace', 'Keep both'));
    return apart(found, taken, replace);
  }

  /** Takes up what another tab has added since this one opened the collection. */
  async #reread(): Promise<void> {
    const open = this.#open;
    if (open === undefined || !open.isKept || !(await this.#library.has(open.saved))) return;
    this.#become(open.saved, await this.#library.load(open.saved), true);
  }

  #drawProgress({ part, file, filesDone, files, passages, perSecond, secondsLeft }: Progress): void {
    const left = secondsLeft === undefined ? '' : `, ${secondsLeft < 60 ? `${Math.ceil(secondsLeft)} s` : `${Math.ceil(secondsLeft / 60)} min`} left`;
    this.#drawJob(`${file}${files > 1 ? ` (${count(filesDone + 1)} of ${count(files)})` : ''} · ${counted(passages, 'passage')}${passages > 0 ? `, ${perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond))} a second` : ''}${left}. Search works meanwhile.`, part);
  }

  #drawJob(text: string, part: number | undefined): void {
    if (this.#job.childElementCount === 0) {
      this.#job.append(
        h('div', { class: 'row' }, h('p', {}), h('button', { type: 'button', class: 'second', onclick: () => this.#running?.abort() }, 'Cancel')),
        h('progress', { 'aria-label': 'Indexing', max: 1 }),
      );
    }
    this.#job.hidden = false;
    (this.#job.querySelector('p') as HTMLElement).textContent = text;
    const bar = this.#job.querySelector('progress') as HTMLProgressElement;
    if (part === undefined) bar.removeAttribute('value');
    else bar.value = part;
  }

  /** Another tab changed something. */
  async #hear(news: { saved: Saved } | { removed: Saved }): Promise<void> {
    const open = this.#open;
    if ('removed' in news) {
      if (open !== undefined && same(open.saved, news.removed)) {
        open.isKept = false;
        this.#messages.tell('note', `“${open.saved.name}” was removed in another tab. It stays open here until you leave; “Keep” brings it back.`);
      }
    } else if (open !== undefined && same(open.saved, news.saved) && open.isKept && this.#running === undefined) {
      await this.#show(open.saved);
      this.#messages.tell('note', `“${open.saved.name}” was changed in another tab, and is shown as it is now.`);
    }
    await this.#drawShelf();
  }

  /** A worker that is gone took the store with it; what was kept is read again. */
  async #recover(error: unknown): Promise<boolean> {
    if (!isGone(error) || this.#open === undefined || !this.#restarts.another()) return false;
    const { saved } = this.#open;
    this.#open = undefined;
    await this.#show(saved);
    if (this.#open === undefined) return false;
    this.#messages.tell('note', 'The part of this page that searches had stopped and was started again, with the collection as it was last kept.');
    return true;
  }
}

/** The files of passages with these ids, `path#passage`; where there is more than one `#`, all that it may be. */
function pathsOf(ids: readonly string[]): Set<string> {
  const paths = new Set<string>();
  for (const id of ids) {
    for (let at = id.indexOf('#'); at !== -1; at = id.indexOf('#', at + 1)) paths.add(id.slice(0, at));
  }
  return paths;
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function told(path: string, report: ImportReport | null, documents: number): string {
  if (report === null) return `${path} is open: ${counted(documents, 'passage')}.`;
  const converted = Object.entries(report.converted).map(([what, often]) => `${what}, ${counted(often, 'time')}`);
  const more = [...converted, ...report.lost];
  return `${path} is open: ${report.source}, ${report.index}, ${counted(documents, 'document')}.${more.length > 0 ? ` On the way: ${more.join('; ')}.` : ''}`;
}

/** ` 912 MB of 1.0 GB are used.` */
async function storageUse(): Promise<string> {
  const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
  return usage === undefined || quota === undefined ? '' : ` ${size(usage)} of the ${size(quota)} that this page may use are taken.`;
}
