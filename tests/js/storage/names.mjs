// @ts-check
/** Names that every storage takes, and names that every storage refuses. */

export const GOOD = [
  'index',
  'a.b',
  '.hidden',
  '...',
  ' spaced ',
  'trailing.',
  'x.twindex',
  'x.twindex.crswap',
  'notes: "2024" <a|b>*?',
  '100%25',
  'Grüße',
  '日本語',
  '😀',
  'n'.repeat(200),
  'é'.repeat(100),
];

/** @type {unknown[]} */
export const BAD = [
  '',
  '.',
  '..',
  'a/b',
  '/a',
  'a/',
  '../a',
  'a\\b',
  'a\0b',
  '\ud800',
  'a\udc00b',
  'n'.repeat(201),
  'é'.repeat(101),
  undefined,
  null,
  7,
  7n,
  Symbol('index'),
  ['index'],
  {},
  () => 'index',
];
