import { h } from '../ui/dom.ts';
import type { Look } from '../search/panel.ts';
import { shown } from '../search/filters.ts';

const NAMES: Record<string, string> = { source: 'file', passage: 'passage', page: 'page', heading: 'under' };

/** A passage of somebody's text: where it is from, and the text itself. */
export const passageLook: Look = {
  label: 'Ask your text',
  placeholder: 'what is it about?',
  examples: [],
  one: 'passage',
  many: 'passages',
  title: ({ metadata, id }) => {
    const source = metadata['source'];
    return typeof source === 'string' ? source.slice(source.lastIndexOf('/') + 1) : id;
  },
  aside: ({ metadata }) => {
    const page = metadata['page'];
    const heading = metadata['heading'];
    const passage = metadata['passage'];
    if (page !== undefined) return `page ${shown(page)}`;
    if (typeof heading === 'string') return h('i', {}, heading);
    return passage === undefined ? undefined : `passage ${shown(passage)}`;
  },
  body: ({ pageContent }) =>
    pageContent.trim() === ''
      ? h('p', { class: 'passage' }, h('i', {}, 'no text came with this vector'))
      : h('div', { class: 'passage' }, pageContent.split(/\n\s*\n/).map((paragraph) => h('p', { dir: 'auto' }, paragraph))),
  fieldName: (field) => NAMES[field] ?? field,
  group: 'source',
  groupName: (source) => source.slice(source.lastIndexOf('/') + 1),
  details: (metadata) => metadata,
};
