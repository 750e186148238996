import type { MetadataValue } from 'twindex/worker';
import { h } from '../ui/dom.ts';
import type { Condition } from '../search/filters.ts';
import type { Filters } from '../search/panel.ts';
import { categoryName, partName } from './look.ts';

const PARTS = ['noun', 'verb', 'adj', 'adv'] as const;

/** WordNet's lexicographer files. */
const CATEGORIES: Record<(typeof PARTS)[number], string[]> = {
  noun: 'act animal artifact attribute body cognition communication event feeling food group location motive object person phenomenon plant possession process quantity relation shape state substance time Tops'.split(' '),
  verb: 'body change cognition communication competition consumption contact creation emotion motion perception possession social stative weather'.split(' '),
  adj: 'all pert ppl'.split(' '),
  adv: ['all'],
};

/** Part of speech, category, and whether people use the word. */
export class DictionaryFilters implements Filters {
  readonly element: HTMLElement;
  onChange: () => void = () => {};
  readonly #parts = PARTS.map((part) => h('input', { type: 'checkbox', value: part, onchange: () => this.#changed() }));
  readonly #category: HTMLSelectElement;
  readonly #used = h('input', { type: 'checkbox', role: 'switch', onchange: () => this.#changed() });

  constructor() {
    this.#category = h('select', { onchange: () => this.#changed() },
      h('option', { value: '' }, 'any'),
      PARTS.map((part) => h('optgroup', { label: `${partName(part)}s` }, (CATEGORIES[part] ?? []).map((subject) => h('option', { value: `${part}.${subject}` }, categoryName(`${part}.${subject}`))))),
    );
    this.element = h('div', { class: 'filters' },
      h('fieldset', { class: 'choice' }, h('legend', {}, 'Part of speech'), this.#parts.map((input) => h('label', {}, input, h('span', {}, partName(input.value))))),
      h('label', { class: 'pick' }, h('span', {}, 'Category'), this.#category),
      h('label', { class: 'switch' }, this.#used, h('span', {}, 'In everyday use')),
    );
  }

  get conditions(): Condition[] {
    const conditions: Condition[] = [];
    const parts = this.#parts.filter((input) => input.checked).map((input) => input.value);
    if (parts.length > 0) conditions.push({ field: 'pos', test: 'one of', values: parts });
    if (this.#category.value !== '') conditions.push({ field: 'category', test: 'is', value: this.#category.value });
    if (this.#used.checked) conditions.push({ field: 'uses', test: 'at least', value: 1 });
    return conditions;
  }

  toggle(_: string, value: MetadataValue): void {
    this.#category.value = this.#category.value === value ? '' : String(value);
    this.#changed();
  }

  #changed(): void {
    for (const input of this.#parts) input.parentElement?.classList.toggle('chosen', input.checked);
    this.onChange();
  }
}
