// @ts-check
/** The filter language as the table has it, read straight off the JSON. */

import { compareTexts, get, isMap } from '../json.mjs';
import { CALLABLES } from './callable.mjs';
import { equal, order } from './values.mjs';

/** @typedef {import('../json.mjs').Json} Json */
/** @typedef {import('../json.mjs').JsonMap} JsonMap */
/** @typedef {import('./values.mjs').Notes} Notes */

const IN_FIELDS = ['$eq', '$ne', '$neq', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$contains', '$exists'];

/**
 * The name of the function that a filter stands for, if it does.
 *
 * @param {Json} filter
 * @returns {string | null}
 */
export function callableName(filter) {
  if (!isMap(filter) || Object.keys(filter).length !== 1) return null;
  const name = get(filter, '$callable');
  return typeof name === 'string' ? name : null;
}

/**
 * What is wrong with the shape of a filter: all codes that apply, none if it is well formed.
 *
 * @param {Json} filter
 * @returns {string[]}
 */
export function faultsOfFilter(filter) {
  if (callableName(filter) !== null) return [];
  return isMap(filter) ? mapFaults(filter) : ['invalid_filter_type'];
}

/**
 * @param {JsonMap} map
 * @returns {string[]}
 */
function mapFaults(map) {
  return Object.entries(map).flatMap(([key, operand]) => {
    if (key === '$and' || key === '$or') {
      return Array.isArray(operand) ? operand.flatMap(partFaults) : ['malformed_filter'];
    }
    if (key === '$not') return partFaults(operand);
    if (key.startsWith('$')) return ['unsupported_filter_operator'];
    return isMap(operand) ? conditionFaults(operand) : [];
  });
}

/**
 * @param {Json} part
 * @returns {string[]}
 */
function partFaults(part) {
  return isMap(part) ? mapFaults(part) : ['malformed_filter'];
}

/** @param {JsonMap} condition */
function conditionFaults(condition) {
  if (isPlainMap(condition)) {
    return Object.values(condition).some(holdsOperatorName) ? ['unsupported_filter_operator'] : [];
  }
  return Object.entries(condition).flatMap(([name, operand]) => {
    if ((name === '$in' || name === '$nin') && !Array.isArray(operand)) return ['malformed_filter'];
    if (name === '$exists' && typeof operand !== 'boolean') return ['malformed_filter'];
    return IN_FIELDS.includes(name) ? [] : ['unsupported_filter_operator'];
  });
}

/**
 * Whether a field is compared with this map whole, and it is not one of operators.
 *
 * @param {JsonMap} condition
 */
function isPlainMap(condition) {
  const keys = Object.keys(condition);
  return keys.length > 0 && !keys.some((key) => key.startsWith('$'));
}

/**
 * @param {Json} value
 * @returns {boolean}
 */
function holdsOperatorName(value) {
  if (Array.isArray(value)) return value.some(holdsOperatorName);
  return (
    isMap(value) &&
    Object.entries(value).some(([key, item]) => key.startsWith('$') || holdsOperatorName(item))
  );
}

/**
 * Whether a well-formed filter accepts metadata. Throws what a filter function throws.
 *
 * @param {Json} filter
 * @param {JsonMap} metadata
 * @param {Notes} notes
 */
export function accepts(filter, metadata, notes) {
  const name = callableName(filter);
  if (name === null) return acceptsMap(/** @type {JsonMap} */ (filter), metadata, notes);
  const callable = Object.hasOwn(CALLABLES, name) ? CALLABLES[name] : undefined;
  if (!callable) throw new Error(`no filter function is called ${JSON.stringify(name)}`);
  return callable(metadata);
}

/**
 * @param {JsonMap} map
 * @param {JsonMap} metadata
 * @param {Notes} notes
 * @returns {boolean}
 */
function acceptsMap(map, metadata, notes) {
  /** @param {Json} part */
  const accepted = (part) => acceptsMap(/** @type {JsonMap} */ (part), metadata, notes);
  return sortedEntries(map).every(([key, operand]) => {
    if (key === '$and') return /** @type {Json[]} */ (operand).every(accepted);
    if (key === '$or') return /** @type {Json[]} */ (operand).some(accepted);
    if (key === '$not') return !accepted(operand);
    return acceptsField(lookUp(metadata, key), operand, notes);
  });
}

/**
 * In the order of the native runner, which decides what the notes say of a condition that is not reached.
 *
 * @param {JsonMap} map
 */
function sortedEntries(map) {
  return Object.entries(map).sort(([a], [b]) => compareTexts(a, b));
}

/**
 * The literal key if it is there, else the path through maps.
 *
 * @param {JsonMap} metadata
 * @param {string} field
 * @returns {Json | undefined}
 */
function lookUp(metadata, field) {
  if (Object.hasOwn(metadata, field)) return metadata[field];
  /** @type {Json | undefined} */
  let value = metadata;
  for (const key of field.split('.')) value = isMap(value) ? get(value, key) : undefined;
  return value;
}

/**
 * @param {Json | undefined} value
 * @param {Json} condition
 * @param {Notes} notes
 */
function acceptsField(value, condition, notes) {
  if (Array.isArray(condition)) return holds('$in', condition, value, notes);
  if (isMap(condition) && !isPlainMap(condition)) {
    return sortedEntries(condition).every(([name, operand]) => holds(name, operand, value, notes));
  }
  return equal(value ?? null, condition, notes);
}

/**
 * @param {string} operator
 * @param {Json} operand
 * @param {Json | undefined} found undefined where the document has no such field
 * @param {Notes} notes
 */
function holds(operator, operand, found, notes) {
  const value = found ?? null;
  /** @param {(order: number) => boolean} wanted */
  const isOrdered = (wanted) => {
    const found = order(value, operand, notes);
    return found !== null && wanted(found);
  };
  // All items are looked at, for the notes.
  const isAmong = () =>
    /** @type {Json[]} */ (operand).filter((item) => equal(value, item, notes)).length > 0;
  switch (operator) {
    case '$eq':
      return equal(value, operand, notes);
    case '$ne':
    case '$neq':
      return !equal(value, operand, notes);
    case '$gt':
      return isOrdered((order) => order > 0);
    case '$gte':
      return isOrdered((order) => order >= 0);
    case '$lt':
      return isOrdered((order) => order < 0);
    case '$lte':
      return isOrdered((order) => order <= 0);
    case '$in':
      return isAmong();
    case '$nin':
      return !isAmong();
    case '$exists':
      return operand === (found !== undefined);
    case '$contains':
      if (Array.isArray(value)) return value.some((item) => equal(item, operand, notes));
      return typeof value === 'string' && typeof operand === 'string' && value.includes(operand);
    default:
      throw new Error(`a filter with ${operator} was not refused`);
  }
}

/**
 * The rows of the table that speak about the shape of a filter.
 *
 * @param {Json} filter
 * @returns {string[]}
 */
export function rulesOfFilter(filter) {
  return callableName(filter) === null && isMap(filter) ? mapRules(filter, true) : [];
}

/**
 * @param {JsonMap} map
 * @param {boolean} isOutermost
 * @returns {string[]}
 */
function mapRules(map, isOutermost) {
  const isLogical = ['$and', '$or', '$not'].some((name) => Object.hasOwn(map, name));
  const rules = isLogical && Object.keys(map).length > 1 ? ['logical_ignores_siblings'] : [];
  for (const [key, operand] of Object.entries(map)) {
    if ((key === '$and' || key === '$or') && Array.isArray(operand)) {
      rules.push(...operand.filter(isMap).flatMap((part) => mapRules(part, false)));
    } else if (key === '$not' && isMap(operand)) {
      rules.push(...mapRules(operand, false));
    } else if (key.startsWith('$')) {
      rules.push(isOutermost ? 'operator_as_field' : 'nested_operator_not_validated');
    } else {
      if (key.includes('.')) rules.push('no_nested_equality');
      if (isMap(operand)) rules.push(...conditionRules(operand));
    }
  }
  return rules;
}

/** @param {JsonMap} condition */
function conditionRules(condition) {
  const rules = isPlainMap(condition) ? ['no_nested_equality'] : [];
  for (const [name, operand] of Object.entries(condition)) {
    if (name === '$ne') rules.push('no_ne_alias');
    else if (name === '$contains' || name === '$exists') rules.push('no_array_contains');
    else if ((name === '$in' || name === '$nin') && !Array.isArray(operand))
      rules.push('in_string_is_substring');
    else if (name.startsWith('$') && !IN_FIELDS.includes(name)) rules.push('nested_operator_not_validated');
  }
  return rules;
}
