import { VectorStore } from 'twindex/worker';
import type { Choice } from '../compare/view.ts';
import { fetchKept, forget, type Site } from '../data.ts';
import type { Model } from '../embed/model.ts';
import { codeOf, describe, isGone } from '../problems.ts';
import { Restarts } from '../restarts.ts';
import { Collection } from '../search/collection.ts';
import { SearchPanel } from '../search/panel.ts';
import { fill, h } from '../ui/dom.ts';
import { count, duration, size } from '../ui/format.ts';
import type { Frames } from '../ui/frames.ts';
import { Messages } from '../ui/messages.ts';
import { DictionaryFilters } from './filters.ts';
import { dictionaryLook, wordsOf } from './look.ts';

/** What says that a file that is kept has to be fetched again. */
const DAMAGED = new Set(['not_a_store', 'truncated', 'checksum_mismatch', 'corrupt']);

/** The index that somebody built natively, searched here. */
export class DictionaryView {
  readonly element: HTMLElement;
  readonly #site: Site;
  readonly #problem: string | undefined;
  readonly #panel: SearchPanel;
  readonly #messages = new Messages();
  readonly #loading = h('div', { class: 'loading' });
  #collection: Collection | undefined;
  #isKept: boolean;
  readonly #restarts = new Restarts();

  /** `problem` says why it is not known what there is. */
  constructor(site: Site, problem: string | undefined, model: Model, frames: Frames) {
    this.#site = site;
    this.#problem = problem;
    this.#isKept = site.dictionary === null && problem === undefined;
    const look = site.native === null ? dictionaryLook : { ...dictionaryLook, beside: `natively ${duration(site.native.questionMs)} for both` };
    this.#panel = new SearchPanel(look, new DictionaryFilters(), { model, frames, recover: (error) => this.#recover(error) });
    this.element = h('div', { class: 'view' }, h('h1', {}, 'The word for it'), this.#loading, this.#messages.element, this.#panel.element);
  }

  /** Whether the next visit needs no network for it. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** What can be compared on, once it is here. */
  get choice(): Choice | undefined {
    const { approximate, native } = this.#site;
    return this.#collection === undefined ? undefined : { name: 'Dictionary', collection: this.#collection, one: dictionaryLook.one, many: dictionaryLook.many, approximate, native };
  }

  focus(): void {
    this.#panel.focus();
  }

  async load(): Promise<void> {
    const { dictionary } = this.#site;
    if (dictionary === null) {
      this.#tellNone();
      this.#panel.element.hidden = true;
      return;
    }
    try {
      this.#collection = await this.#open(dictionary);
      this.#panel.use(this.#collection);
      this.element.dataset['ready'] = 'true';
    } catch (error) {
      this.#messages.tell('problem', `The dictionary could not be opened. ${describe(error)}`, { label: 'Try again', act: () => void this.load() });
    } finally {
      fill(this.#loading);
    }
  }

  #tellNone(): void {
    if (this.#problem === undefined) {
      fill(this.#loading, h('p', { class: 'note' }, 'There is no dictionary here. ', h('code', {}, 'scripts/www.sh'), ' builds one; your own text can be searched all the same.'));
    } else {
      this.#messages.tell('problem', `What dictionary and model there are could not be read. ${describe(this.#problem)} Your own text can be searched all the same, by words.`, { label: 'Try again', act: () => location.reload() });
    }
  }

  async #open(dictionary: NonNullable<Site['dictionary']>, again = true): Promise<Collection> {
    const bar = h('progress', { max: dictionary.bytes, value: 0, 'aria-label': 'Loading the dictionary' });
    const text = h('p', {}, `Loading the dictionary: ${count(dictionary.entries)} entries, ${size(dictionary.bytes)}, once.`);
    fill(this.#loading, text, bar);
    const { content, kept } = await fetchKept(dictionary, (loaded) => (bar.value = loaded));
    try {
      const store = await VectorStore.deserialize(content);
      this.#isKept = kept;
      if (!kept && 'caches' in globalThis) this.#messages.tell('note', 'The dictionary could not be kept in this browser: the next visit has to load it again.');
      return await Collection.of(store, { textOf: (document) => `${wordsOf(document).join(' ')} ${document.pageContent}` });
    } catch (error) {
      if (!again || !DAMAGED.has(codeOf(error) ?? '')) throw error;
      await forget(dictionary);
      return this.#open(dictionary, false);
    }
  }

  /** A worker that is gone took the store with it, and the file is still there. */
  async #recover(error: unknown): Promise<boolean> {
    if (!isGone(error) || !this.#restarts.another()) return false;
    this.#collection = undefined;
    await this.load();
    if (this.#collection === undefined) return false;
    this.#messages.tell('note', 'The part of this page that searches had stopped and was started again. Nothing is lost.');
    return true;
  }
}
