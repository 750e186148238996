import type { Document, Metadata, MetadataValue } from 'twindex/worker';
import { h } from '../ui/dom.ts';
import type { Look } from '../search/panel.ts';

const PARTS: Record<string, string> = { noun: 'noun', verb: 'verb', adj: 'adjective', adv: 'adverb' };

/** `noun.state`: its part of speech, and its subject. */
export function categoryName(category: string): string {
  const [, subject = category] = category.split('.');
  return { Tops: 'most general', pert: 'pertaining to', ppl: 'participle', all: 'all' }[subject] ?? subject;
}

export const partName = (part: string): string => PARTS[part] ?? part;

const texts = (value: MetadataValue | undefined): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);

/** The words that an entry defines. */
export const wordsOf = ({ metadata, id }: Document): string[] => {
  const words = texts(metadata['words']);
  return words.length > 0 ? words : [id];
};

const NAMES: Record<string, string> = { pos: 'part of speech', category: 'category', words: 'words', senses: 'senses of the first word', uses: 'uses in tagged texts' };

/** An entry of the dictionary: the word first, for it is the answer. */
export const dictionaryLook: Look = {
  label: 'Describe it, find the word',
  placeholder: 'fear of being in open places',
  examples: ['fear of being in open places', 'someone who collects coins', 'unable to sleep', 'a group of islands', 'to put off what should be done now'],
  one: 'entry',
  many: 'entries',
  title: (document) => wordsOf(document)[0] ?? '',
  aside: ({ metadata }) => {
    const category = String(metadata['category'] ?? '');
    const subject = categoryName(category);
    return [h('i', {}, partName(String(metadata['pos'] ?? ''))), subject !== 'all' && subject !== '' && ` · ${subject}`];
  },
  body: (document) => {
    const [, ...others] = wordsOf(document);
    const [example] = texts(document.metadata['examples']);
    return [
      h('p', { class: 'gloss' }, document.pageContent),
      others.length > 0 && h('p', { class: 'also' }, 'also ', h('span', {}, others.join(', '))),
      example !== undefined && h('p', { class: 'usage' }, `“${example}”`),
    ];
  },
  fieldName: (field) => NAMES[field] ?? field,
  group: 'category',
  groupName: (category) => [partName(category.split('.')[0] ?? ''), categoryName(category)].filter((name) => name !== 'all').join(' · '),
  details: ({ word: _, ...metadata }: Metadata) => metadata,
};
