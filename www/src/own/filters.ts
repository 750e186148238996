import type { MetadataValue } from 'twindex/worker';
import type { Condition } from '../search/filters.ts';
import type { Filters } from '../search/panel.ts';
import { fill, h } from '../ui/dom.ts';

const TESTS = ['is', 'contains', 'at least', 'at most'] as const;

/** One condition on whatever fields the metadata has: which ones, the documents themselves say. */
export class FieldFilters implements Filters {
  readonly element = h('div', { class: 'filters' });
  onChange: () => void = () => {};
  readonly #field = h('select', { 'aria-label': 'Field of the metadata', onchange: () => this.#fieldChanged() });
  readonly #test = h('select', { 'aria-label': 'Condition', onchange: () => this.onChange() }, TESTS.map((test) => h('option', {}, test)));
  readonly #value = h('input', { class: 'field', 'aria-label': 'Value', placeholder: 'anything', autocomplete: 'off', oninput: () => this.onChange() });
  readonly #values = h('datalist', { id: 'values-of-field' });
  #fields = new Map<string, Set<MetadataValue>>();

  constructor() {
    this.#value.setAttribute('list', this.#values.id);
    this.element.append(h('span', { class: 'pick fields' }, h('span', {}, 'Only where'), this.#field, this.#test, this.#value, this.#values));
    this.offer(new Map());
  }

  /** Takes the fields that there are, with some of their values. */
  offer(fields: Map<string, Set<MetadataValue>>): void {
    this.#fields = fields;
    this.element.hidden = fields.size === 0;
    const chosen = this.#field.value;
    // Files first: that is what most people have.
    const names = [...fields.keys()].sort((a, b) => Number(b === 'source') - Number(a === 'source'));
    fill(this.#field, names.map((field) => h('option', { value: field }, field === 'source' ? 'file' : field)));
    if (fields.has(chosen)) this.#field.value = chosen;
    this.#offerValues();
  }

  get conditions(): Condition[] {
    const text = this.#value.value.trim();
    const field = this.#field.value;
    if (text === '' || field === '') return [];
    const test = this.#test.value as (typeof TESTS)[number];
    if (test === 'contains') return [{ field, test, value: text }];
    if (test === 'is') return [{ field, test, value: this.#typed(text) }];
    return Number.isFinite(Number(text)) ? [{ field, test, value: Number(text) }] : [];
  }

  /** A number where the field has numbers: `3` is not `"3"`. */
  #typed(text: string): MetadataValue {
    for (const value of this.#fields.get(this.#field.value) ?? []) if (String(value) === text) return value;
    return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  }

  toggle(field: string, value: MetadataValue): void {
    const [only] = this.conditions;
    const isOn = only?.field === field && only.test === 'is' && only.value === value;
    this.#field.value = field;
    this.#test.value = 'is';
    this.#value.value = isOn ? '' : String(value);
    this.#offerValues();
    this.onChange();
  }

  #fieldChanged(): void {
    this.#value.value = '';
    this.#offerValues();
    this.onChange();
  }

  #offerValues(): void {
    const values = [...(this.#fields.get(this.#field.value) ?? [])].filter((value) => typeof value === 'string' || typeof value === 'number');
    fill(this.#values, values.slice(0, 100).map((value) => h('option', { value: String(value) })));
  }
}
