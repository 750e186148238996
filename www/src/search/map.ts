import type { Document } from 'twindex/worker';
import { fill, h, uniqueId } from '../ui/dom.ts';
import { shown } from './filters.ts';
import type { Answer } from './collection.ts';
import type { Filters, Look } from './panel.ts';
import { project } from './projection.ts';

/** Fewer hits make no map. */
const LEAST = 3;
/** How many times as wide as high it is, about. */
const ASPECT = 2;
/** Groups with a colour of their own. */
const COLOURS = 6;
/** Names beside more hits than these would cover each other. */
const NAMED = 20;

/** Where hits lie to each other and to the question. A click on one of them keeps what is in its group: its category, its file. */
export class HitMap {
  readonly element: HTMLDetailsElement;
  readonly #look: Look;
  readonly #filters: Filters;
  readonly #field = h('div', { class: 'field-of-map', role: 'group' });
  readonly #legend = h('ul', { class: 'legend' });
  #answer: Answer | undefined;

  constructor(look: Look, filters: Filters) {
    this.#look = look;
    this.#filters = filters;
    const id = uniqueId('map');
    this.#field.setAttribute('aria-labelledby', id);
    this.element = h('details', { class: 'map', hidden: true, ontoggle: () => void this.#draw() },
      h('summary', { id }, 'Map of these results'),
      h('p', { class: 'note-of-map' }, `Near each other is what is alike. A dot keeps its ${look.fieldName(look.group)}; once more, and all are back.`),
      this.#field,
      this.#legend,
    );
  }

  /** Shows the hits of an answer, once somebody looks. */
  show(answer: Answer | undefined): void {
    this.#answer = answer;
    this.element.hidden = answer === undefined || answer.hits.length < LEAST;
    void this.#draw();
  }

  async #draw(): Promise<void> {
    const answer = this.#answer;
    if (answer === undefined || this.element.hidden || !this.element.open) return;
    const vectors = await answer.vectors().catch(() => undefined);
    // Another search came, or a document is gone meanwhile.
    if (answer !== this.#answer || vectors === undefined) return;
    const { points, also } = project(vectors.hits, vectors.question, ASPECT);
    const groups = this.#groups(answer);
    const focused = this.#field.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset['id'] : undefined;
    const question = at(h('span', { class: 'asked', 'aria-hidden': 'true' }), also);
    fill(this.#field, question, answer.hits.map(({ document }, i) => at(this.#dot(document, groups, answer.hits.length <= NAMED), points[i]!)));
    keepApart(this.#field.querySelectorAll<HTMLElement>('.name'));
    const again = focused === undefined ? undefined : [...this.#field.querySelectorAll('button')].find(({ dataset }) => dataset['id'] === focused);
    again?.focus({ preventScroll: true });
    fill(this.#legend, [...groups].map(([group, number]) => h('li', {}, h('span', { class: `dot colour-${colour(number)}`, 'aria-hidden': 'true' }), this.#look.groupName(group))), h('li', {}, h('span', { class: 'asked', 'aria-hidden': 'true' }), 'what was asked'));
  }

  #dot(document: Document, groups: Map<string, number>, named: boolean): HTMLElement {
    const title = this.#look.title(document);
    const group = this.#groupOf(document);
    const value = document.metadata[this.#look.group];
    const number = group === undefined ? COLOURS : (groups.get(group) ?? COLOURS);
    const dot = h('span', { class: `dot colour-${colour(number)}`, 'aria-hidden': 'true' });
    const name = named && h('span', { class: 'name', 'aria-hidden': 'true', dir: 'auto' }, title);
    if (group === undefined || value === undefined) return h('span', { class: 'place', title }, dot, name);
    return h('button', { type: 'button', class: 'place', title, 'data-id': document.id, 'aria-label': `${title}: only ${this.#look.fieldName(this.#look.group)} ${this.#look.groupName(group)}`, onclick: () => this.#filters.toggle(this.#look.group, value) }, dot, name);
  }

  /** The groups there are, the most frequent first. */
  #groups({ hits }: Answer): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const { document } of hits) {
      const group = this.#groupOf(document);
      if (group !== undefined) sizes.set(group, (sizes.get(group) ?? 0) + 1);
    }
    return new Map([...sizes].sort(([, a], [, b]) => b - a).map(([group], i) => [group, i]));
  }

  #groupOf({ metadata }: Document): string | undefined {
    const value = metadata[this.#look.group];
    return value === undefined || value === null || typeof value === 'object' ? undefined : shown(value);
  }
}

/** Of names that would cover each other, only the first is shown: the others are there when the pointer is. */
function keepApart(names: Iterable<HTMLElement>): void {
  const taken: DOMRect[] = [];
  for (const name of names) {
    const own = name.getBoundingClientRect();
    const isFree = taken.every((other) => own.right < other.left || own.left > other.right || own.bottom < other.top || own.top > other.bottom);
    name.classList.toggle('covered', !isFree);
    if (isFree) taken.push(own);
  }
}

const colour = (number: number): number => Math.min(number, COLOURS);

function at(element: HTMLElement, [x, y]: readonly [number, number]): HTMLElement {
  element.style.setProperty('--x', x.toFixed(4));
  element.style.setProperty('--y', y.toFixed(4));
  return element;
}
