import type { Document, Metadata, MetadataValue } from 'twindex/worker';
import { EmbedderFailed } from '../embed/embedder.ts';
import type { Model } from '../embed/model.ts';
import { describe, isCancelled } from '../problems.ts';
import { type Child, fill, h, uniqueId } from '../ui/dom.ts';
import { count, counted, duration, size } from '../ui/format.ts';
import type { Frames } from '../ui/frames.ts';
import type { Answer, Collection, Hit, Question } from './collection.ts';
import { type Condition, reasons, shown } from './filters.ts';
import { HitMap } from './map.ts';

/** How the documents of one kind look, and what they are called. */
export interface Look {
  label: string;
  placeholder: string;
  examples: readonly string[];
  /** What stands beside the times of a search by meaning, to compare with. */
  beside?: string;
  /** One document: `entry`, `passage`. */
  one: string;
  many: string;
  title(document: Document): string;
  /** What stands below the title. */
  body(document: Document): Child;
  /** Beside the title. */
  aside(document: Document): Child;
  /** What a field of the metadata is called. */
  fieldName(field: string): string;
  /** The field that documents are grouped by. */
  group: string;
  /** What one of its values is called. */
  groupName(value: string): string;
  /** The metadata that is worth a look beyond what is shown anyway. */
  details(metadata: Metadata): Metadata;
}

/** What decides which documents may come back. */
export interface Filters {
  readonly element: HTMLElement;
  readonly conditions: readonly Condition[];
  /** Called whenever somebody changed them. */
  onChange: () => void;
  /** Lets only documents through whose field has a value, or where only those come through already, all again. */
  toggle(field: string, value: MetadataValue): void;
}

export interface Surroundings {
  model: Model;
  frames: Frames;
  /** Something went wrong that the panel cannot tell by itself: a worker that is gone. Resolves to whether to search again. */
  recover(error: unknown): Promise<boolean>;
}

const FIRST = 10;
/** What can have the focus within a hit. */
const FOCUSABLE = 'button, summary';
/** How long to wait before a screen reader is told, so that it is not interrupted at every letter. */
const QUIET = 700;

const WIDE = matchMedia('(min-width: 34rem)');

/** Open where there is room; on a phone it would push the answers off the screen. */
function foldable(...children: Child[]): HTMLElement {
  const element = h('details', { class: 'fold' }, h('summary', {}, 'Filters and options'), h('div', { class: 'controls' }, children));
  element.open = WIDE.matches;
  WIDE.addEventListener('change', () => (element.open = WIDE.matches));
  return element;
}

/** A text box, filters, and what was found: as one types, always for the latest text. */
export class SearchPanel {
  readonly element: HTMLElement;
  readonly #look: Look;
  readonly #filters: Filters;
  readonly #around: Surroundings;
  readonly #input: HTMLInputElement;
  readonly #varied: HTMLInputElement;
  readonly #meaning: HTMLInputElement;
  readonly #words: HTMLInputElement;
  readonly #note = h('p', { class: 'note' });
  readonly #status = h('p', { class: 'status', 'data-testid': 'status' });
  readonly #spoken = h('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
  readonly #likeness = h('p', { class: 'likeness' });
  readonly #results = h('ol', { class: 'hits' });
  readonly #map: HitMap;
  readonly #more: HTMLButtonElement;
  readonly #examples: HTMLElement;
  #collection: Collection | null = null;
  #like: Document | undefined;
  #k = FIRST;
  #running = false;
  #again = false;
  #speaking: ReturnType<typeof setTimeout> | undefined;

  constructor(look: Look, filters: Filters, around: Surroundings) {
    this.#look = look;
    this.#filters = filters;
    this.#around = around;
    const id = uniqueId('question');
    const name = uniqueId('by');
    this.#input = h('input', { id, class: 'question', type: 'search', dir: 'auto', placeholder: look.placeholder, autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search', maxlength: 2000, oninput: () => this.#typed() });
    this.#meaning = h('input', { type: 'radio', name, value: 'meaning', checked: true, onchange: () => this.search() });
    this.#words = h('input', { type: 'radio', name, value: 'words', onchange: () => this.search() });
    this.#varied = h('input', { type: 'checkbox', role: 'switch', onchange: () => this.search() });
    this.#more = h('button', { type: 'button', class: 'quiet more', hidden: true, onclick: () => this.#showMore() }, 'Show more');
    this.#examples = h('p', { class: 'examples-of-questions' }, look.examples.length > 0 && 'Try ', look.examples.map((example, i) => [i > 0 && ' ', h('button', { type: 'button', class: 'example', onclick: () => this.ask(example) }, example)]));
    filters.onChange = () => this.search();
    this.#map = new HitMap(look, filters);
    this.element = h(
      'section',
      { class: 'search', onkeydown: (event: KeyboardEvent) => this.#key(event) },
      h('form', { role: 'search', onsubmit: (event: Event) => event.preventDefault() },
        h('label', { for: id, class: 'question-label' }, look.label),
        this.#input,
        this.#examples,
        foldable(
          filters.element,
          h('fieldset', { class: 'choice' }, h('legend', {}, 'Match'), h('label', {}, this.#meaning, h('span', {}, 'meaning')), h('label', {}, this.#words, h('span', {}, 'words'))),
          h('label', { class: 'switch' }, this.#varied, h('span', {}, 'More varied')),
        ),
      ),
      this.#note,
      this.#likeness,
      h('div', { class: 'statusline' }, this.#status),
      this.#spoken,
      this.#map.element,
      h('h2', { class: 'unseen' }, 'Results'),
      this.#results,
      this.#more,
    );
    around.model.addEventListener('change', () => this.#modelChanged());
    this.#tellMode();
  }

  /** What is searched from now on. */
  use(collection: Collection | null): void {
    this.#collection = collection;
    this.#like = undefined;
    this.#tellMode();
    this.search();
  }

  focus(): void {
    this.#input.focus();
  }

  /** Searches for a text, as if it had been typed. */
  ask(text: string): void {
    this.#input.value = text;
    this.#typed();
    this.#input.focus();
  }

  /** Searches anew: something changed. Searches never pile up, and the last one asked for is the one that is shown. */
  search(): void {
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  #typed(): void {
    this.#like = undefined;
    this.#k = FIRST;
    this.search();
  }

  #showMore(): void {
    const shown = this.#results.children.length;
    this.#k += FIRST;
    this.search();
    void this.#idle().then(() => (this.#results.children[shown] as HTMLElement | undefined)?.focus());
  }

  async #idle(): Promise<void> {
    while (this.#running) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** By what the next search compares. */
  get #by(): 'meaning' | 'words' {
    const possible = this.#around.model.embedder !== undefined && this.#collection?.space === 'meaning';
    return this.#meaning.checked && possible ? 'meaning' : 'words';
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#results.setAttribute('aria-busy', 'true');
    while (this.#again) {
      this.#again = false;
      const collection = this.#collection;
      try {
        await this.#around.frames.during(() => this.#once());
      } catch (error) {
        // What goes wrong in a collection that was left meanwhile is of no interest.
        if (isCancelled(error) || collection !== this.#collection) continue;
        if (error instanceof EmbedderFailed) {
          // Words are matched until it is back; that it is, searches again.
          void this.#around.model.restart(error.cause);
          this.#again = true;
          continue;
        }
        if (await this.#around.recover(error)) {
          this.#again = true;
          continue;
        }
        this.#say(describe(error));
        fill(this.#results);
        this.#map.show(undefined);
      }
    }
    this.#results.setAttribute('aria-busy', 'false');
    this.#running = false;
  }

  async #once(): Promise<void> {
    const collection = this.#collection;
    const text = this.#input.value.trim();
    this.#tellMode();
    this.#examples.hidden = text !== '' || this.#like !== undefined || this.#look.examples.length === 0;
    fill(this.#likeness, this.#like !== undefined && [`Like “${this.#look.title(this.#like)}” `, h('button', { type: 'button', class: 'quiet', onclick: () => this.#unlike() }, 'Back')]);
    const question: Question | undefined = this.#like !== undefined ? { like: this.#like.id } : text === '' ? undefined : { text };
    if (collection === null || question === undefined) {
      fill(this.#results);
      this.#map.show(undefined);
      this.#more.hidden = true;
      this.#say(collection === null ? '' : counted(collection.count, this.#look.one, this.#look.many));
      return;
    }
    const by = this.#by;
    if ('text' in question && by === 'words' && !collection.hasWords) {
      await collection.words((done, total) => this.#say(`Reading the words of ${count(done)} of ${counted(total, this.#look.one, this.#look.many)} …`));
    }
    const conditions = [...this.#filters.conditions];
    const answer = await collection.search(question, { k: this.#k, conditions, varied: this.#varied.checked, by }, this.#around.model.embedder);
    if (collection !== this.#collection) return;
    this.#show(answer, conditions, by, 'like' in question);
  }

  #show(answer: Answer, conditions: readonly Condition[], by: 'meaning' | 'words', like: boolean): void {
    this.#draw(answer.hits.map((hit) => this.#hit(hit, answer, conditions)));
    this.#map.show(answer);
    this.#more.hidden = answer.hits.length < this.#k || this.#k >= 100;
    const { hits, among, embedMs, searchMs } = answer;
    const found = hits.length === 0
      ? `Nothing among ${counted(among, this.#look.one, this.#look.many)}${conditions.length > 0 ? ' passes these filters' : by === 'words' ? ' shares these words' : ''}`
      : `${count(hits.length)} of ${counted(among, this.#look.one, this.#look.many)} by ${like ? 'likeness' : by}`;
    const embedded = embedMs === undefined ? '' : by === 'meaning' ? ` · question embedded in ${duration(embedMs)}` : '';
    this.#status.dataset['embedMs'] = String(embedMs ?? '');
    this.#status.dataset['searchMs'] = String(searchMs);
    const beside = by === 'meaning' && !like && this.#look.beside !== undefined ? ` (${this.#look.beside})` : '';
    this.#say(`${found}${embedded} · searched in ${duration(searchMs)}${beside}`);
    const [first] = hits;
    this.#speak(first === undefined ? found : `${counted(hits.length, 'result')}. First: ${this.#look.title(first.document)}`);
  }

  /** Puts hits in place of those that are shown. Of those that stay, what is open stays open, and the focus stays where it is. */
  #draw(hits: readonly HTMLElement[]): void {
    const focused = this.#results.contains(document.activeElement) ? document.activeElement : null;
    const before = focused?.closest<HTMLElement>('.hit');
    const at = [...(before?.querySelectorAll(FOCUSABLE) ?? [])].findIndex((element) => element === focused);
    const opened = new Set([...this.#results.querySelectorAll<HTMLElement>('.hit:has(details[open])')].map(({ dataset }) => dataset['id']));
    fill(this.#results, hits);
    for (const hit of hits) {
      const details = opened.has(hit.dataset['id']) && hit.querySelector('details');
      if (details) details.open = true;
      if (before?.dataset['id'] === hit.dataset['id']) (hit.querySelectorAll<HTMLElement>(FOCUSABLE)[at] ?? hit).focus({ preventScroll: true });
    }
  }

  #hit({ document, score }: Hit, { higherIsBetter }: Answer, conditions: readonly Condition[]): HTMLElement {
    const look = this.#look;
    const why = reasons(conditions, document.metadata);
    const details = Object.entries(look.details(document.metadata));
    const scale = Math.max(0, Math.min(1, higherIsBetter ? score : 1 - score / 2));
    const bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
    bar.style.setProperty('--part', String(scale));
    return h('li', { class: 'hit', tabindex: -1, 'data-id': document.id },
      h('div', { class: 'head' },
        h('h3', { dir: 'auto' }, look.title(document)),
        h('span', { class: 'aside' }, look.aside(document)),
        h('span', { class: 'score', title: higherIsBetter ? 'Score: higher is nearer' : 'Squared distance: lower is nearer' }, bar, h('span', { class: 'unseen' }, 'score '), score.toFixed(3)),
      ),
      look.body(document),
      why.length > 0 && h('ul', { class: 'why', 'aria-label': 'Why it passed the filters' }, why.map(({ field, holds, asked }) => h('li', {}, `${look.fieldName(field)} `, h('b', {}, holds), ` · ${asked}`))),
      h('div', { class: 'actions' },
        h('button', { type: 'button', class: 'quiet', onclick: () => this.#moreLike(document) }, 'More like this', h('span', { class: 'unseen' }, `: ${look.title(document)}`)),
        details.length > 0 && h('details', {}, h('summary', {}, 'Metadata', h('span', { class: 'unseen' }, ` of ${look.title(document)}`)), h('dl', {}, details.map(([field, value]) => [h('dt', {}, look.fieldName(field)), h('dd', { dir: 'auto' }, shown(value))]))),
      ),
    );
  }

  #moreLike(document: Document): void {
    this.#like = document;
    this.#k = FIRST;
    this.search();
    this.element.scrollIntoView({ block: 'nearest' });
    this.#input.focus({ preventScroll: true });
  }

  #unlike(): void {
    this.#like = undefined;
    this.search();
    this.#input.focus();
  }

  #say(text: string): void {
    this.#status.textContent = text;
  }

  #speak(text: string): void {
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => (this.#spoken.textContent = text), QUIET);
  }

  #modelChanged(): void {
    const before = this.#by;
    this.#tellMode();
    const { is } = this.#around.model.state;
    if (is !== 'loading' && (this.#input.value !== '' || before !== this.#by)) this.search();
  }

  /** What the search compares by, and why not by meaning where it does not. */
  #tellMode(): void {
    const { model } = this.#around;
    const collection = this.#collection;
    const suits = collection === null || collection.space === 'meaning';
    this.#meaning.disabled = !suits || model.state.is === 'absent' || model.state.is === 'failed';
    const [meaning, words] = [this.#meaning, this.#words].map((input) => input.parentElement);
    const by = this.#by;
    const waiting = this.#meaning.checked && suits && (model.state.is === 'loading' || model.state.is === 'unasked');
    meaning?.classList.toggle('chosen', by === 'meaning' || waiting);
    words?.classList.toggle('chosen', by === 'words' && !waiting);
    fill(this.#note, this.#why());
    this.#note.hidden = this.#note.childNodes.length === 0;
  }

  #why(): Child {
    const { model } = this.#around;
    const collection = this.#collection;
    if (collection?.space === 'words') return 'This collection was indexed without the language model: it matches words and parts of words, not meaning.';
    if (collection?.space === 'other') return 'These vectors come from another model, which this page does not have. Texts are looked up by their words; “More like this” compares by the vectors themselves.';
    const { state } = model;
    switch (state.is) {
      case 'absent':
        return `${state.problem === undefined ? 'There is no language model here' : `Whether there is a language model could not be read (${state.problem})`}, so this page cannot tell what a sentence means: it matches words and parts of words. “More like this” still goes by meaning, with the vectors that are in the index.`;
      case 'failed':
        return [`The language model could not be loaded. ${state.why} Until it is, words are matched; “More like this” still goes by meaning. `, h('button', { type: 'button', class: 'quiet', onclick: () => void model.reload() }, 'Fetch it again')];
      case 'loading': {
        const { loaded, total } = state;
        return [`The language model is on its way (${size(loaded)}${total === null ? '' : ` of ${size(total)}`}); until it is here, words are matched. `, h('progress', total === null ? { 'aria-label': 'Loading the language model' } : { 'aria-label': 'Loading the language model', max: total, value: Math.min(loaded, total) })];
      }
      case 'unasked':
        return [`Searching by meaning takes a language model, which runs in this tab. `, h('button', { type: 'button', class: 'quiet', onclick: () => void model.load() }, 'Download it')];
      case 'ready':
        return undefined;
    }
  }

  /** Arrows walk through the hits, and Escape leads back. */
  #key(event: KeyboardEvent): void {
    const { key, target } = event;
    if (key !== 'ArrowDown' && key !== 'ArrowUp' && key !== 'Escape') return;
    const hits = [...this.#results.children] as HTMLElement[];
    const at = hits.findIndex((hit) => hit.contains(target as Node));
    if (at === -1 && target !== this.#input) return;
    if (key === 'Escape') {
      if (this.#like !== undefined) this.#unlike();
      else if (at !== -1) this.#input.focus();
      else return;
    } else {
      const next = at + (key === 'ArrowDown' ? 1 : -1);
      if (next < 0) this.#input.focus();
      else hits[next]?.focus();
    }
    event.preventDefault();
  }
}
