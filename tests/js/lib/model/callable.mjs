// @ts-check
/** The functions that a case can filter with, on a document's metadata. */

import { get, isMap } from '../json.mjs';

/** @typedef {import('../json.mjs').Json} Json */
/** @typedef {import('../json.mjs').JsonMap} JsonMap */

/**
 * The functions by name. They throw where the Python function raises.
 *
 * @type {Record<string, (metadata: JsonMap) => boolean>}
 */
export const CALLABLES = {
  page_is_even: (metadata) => Object.hasOwn(metadata, 'page') && number(metadata['page']) % 2 === 0,
  lang_en_and_page_gt_2: (metadata) =>
    get(metadata, 'lang') === 'en' && (Object.hasOwn(metadata, 'page') ? number(metadata['page']) : 0) > 2,
  always_true: () => true,
  always_false: () => false,
  truthy_page: (metadata) => isTruthy(get(metadata, 'page') ?? null),
  raises_on_missing_nope: (metadata) => {
    const nope = get(metadata, 'nope');
    if (nope === undefined) throw new Error('there is no nope');
    return isTruthy(nope);
  },
  nested_author_ann: (metadata) => {
    const author = get(metadata, 'author') ?? null;
    return isMap(author) && get(author, 'name') === 'Ann';
  },
  has_tag_food: (metadata) => {
    const tags = get(metadata, 'tags') ?? null;
    return (Array.isArray(tags) || typeof tags === 'string') && tags.includes('food');
  },
};

/** @param {Json | undefined} value */
function number(value) {
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
    throw new Error(`${String(value)} is not a number`);
  }
  return Number(value);
}

/** @param {Json} value */
function isTruthy(value) {
  if (Array.isArray(value)) return value.length > 0;
  return isMap(value) ? Object.keys(value).length > 0 : Boolean(value);
}
