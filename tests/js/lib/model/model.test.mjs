// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse } from '../json.mjs';
import { operation, parseFile } from '../oracle.mjs';
import { readRequest } from '../request.mjs';
import { CALLABLES } from './callable.mjs';
import { accepts, faultsOfFilter, rulesOfFilter } from './filter.mjs';
import { checkChoice } from './mmr.mjs';
import { Model } from './model.mjs';
import { candidatesOf, checkHits, Wrong } from './search.mjs';
import { equal, Notes, order } from './values.mjs';
import { builtModel, planOf, verify } from './verify.mjs';

/** @typedef {import('../json.mjs').Json} Json */
/** @typedef {import('../json.mjs').JsonMap} JsonMap */
/** @typedef {import('../answer.mjs').Outcome} Outcome */

/** @param {string} id */
function doc(id) {
  return { id, text: id, metadata: {}, vector: null };
}

/**
 * A model whose documents are called 0, 1 and so on.
 *
 * @param {import('./model.mjs').Metric} metric
 * @param {number[][]} rows
 */
function modelOf(metric, rows) {
  const model = new Model(metric, false, null);
  const ids = rows.map((_, i) => String(i));
  model.add(
    ids.map(doc),
    rows.map((row) => Float32Array.from(row)),
    ids,
  );
  return model;
}

/** @param {[string, number | null][]} hits */
function found(...hits) {
  return hits.map(([id, score]) => ({ id, text: id, metadata: {}, score }));
}

/**
 * @param {Model} model
 * @param {number[]} query
 */
function candidates(model, query) {
  return candidatesOf(model, Float32Array.from(query), null, new Notes()) ?? [];
}

/** @param {() => void} check */
function passes(check) {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof Wrong) return false;
    throw error;
  }
}

test('numbers compare by exact value and not with booleans', () => {
  const notes = new Notes();
  assert.ok(equal(1, 1n, notes));
  assert.ok(!equal(9007199254740993n, 9007199254740992, notes));
  assert.equal(order(2, 2.5, notes), -1);
  assert.equal(order(-2n, -2.5, notes), 1);
  assert.equal(order(18446744073709551615n, 1e30, notes), -1);
  assert.equal(notes.booleanMetNumber, false);
  assert.ok(!equal([1], [true], notes));
  assert.equal(notes.booleanMetNumber, true);
});

test('lists are ordered by the first difference', () => {
  const notes = new Notes();
  assert.ok(Number(order([1, 'b'], [1, 'a', 0], notes)) > 0);
  assert.ok(Number(order([1], [1, 0], notes)) < 0);
  assert.equal(order(['a'], [1], notes), null);
  assert.equal(order('😀', '\uffff', notes), 1);
});

test('filter functions do what the cases say', () => {
  /** @param {string} name @param {JsonMap} metadata */
  const call = (name, metadata) => CALLABLES[name]?.(metadata);
  assert.equal(call('page_is_even', {}), false);
  assert.equal(call('page_is_even', { page: 4n }), true);
  assert.throws(() => call('page_is_even', { page: '4' }));
  assert.equal(call('lang_en_and_page_gt_2', { lang: 'en' }), false);
  assert.equal(call('lang_en_and_page_gt_2', { lang: 'en', page: 3 }), true);
  assert.equal(call('truthy_page', { page: 0 }), false);
  assert.equal(call('truthy_page', { page: 2 }), true);
  assert.throws(() => call('raises_on_missing_nope', {}));
  assert.equal(call('nested_author_ann', { author: { name: 'Ann' } }), true);
  assert.equal(call('nested_author_ann', { author: null }), false);
  assert.equal(call('has_tag_food', { tags: ['x', 'food'] }), true);
  for (const name of Object.keys(CALLABLES)) assert.equal(typeof call(name, { nope: 1 }), 'boolean', name);
});

test('filters follow the table', () => {
  /** @type {[JsonMap, JsonMap, boolean][]} */
  const checks = [
    [{ $and: [{ lang: 'en' }], page: 1 }, { lang: 'en', page: 2 }, false],
    [{ p: { $ne: 1 } }, {}, true],
    [{ p: 1 }, { p: true }, false],
    [{ p: 1 }, { p: 1n }, true],
    [{ p: { $gt: 1 } }, { p: 'x' }, false],
    [{ p: { $lte: null } }, {}, false],
    [{ 'a.b': 7 }, { a: { b: 7 } }, true],
    [{ 'a.b': 7 }, { 'a.b': 8, a: { b: 7 } }, false],
    [{ a: { b: 7 } }, { a: { b: 7 } }, true],
    [{ a: { b: 7 } }, { a: { b: 7, c: 8 } }, false],
    [{ a: { $contains: 'x' } }, { a: ['x'] }, true],
    [{ a: { $exists: true } }, { a: null }, true],
    [{ a: { $exists: false } }, {}, true],
    [{ a: {} }, {}, true],
    [{ $or: [] }, {}, false],
    [{ $not: {} }, {}, false],
    [{ a: [[1], { x: 1 }] }, { a: [1] }, true],
    [{ toString: null }, {}, true],
    [{ $callable: 'always_true' }, {}, true],
  ];
  for (const [filter, metadata, expected] of checks) {
    assert.deepEqual(faultsOfFilter(filter), []);
    assert.equal(accepts(filter, metadata, new Notes()), expected, JSON.stringify(filter));
  }
});

test('faults of a filter are found at any depth', () => {
  /** @type {[Json, string][]} */
  const checks = [
    [5, 'invalid_filter_type'],
    [[{ a: 1 }], 'invalid_filter_type'],
    [{ $eq: 1 }, 'unsupported_filter_operator'],
    [{ $or: [{}, { $not: { $xor: 1 } }] }, 'unsupported_filter_operator'],
    [{ a: { $gt: 1, b: 2 } }, 'unsupported_filter_operator'],
    [{ a: { b: { $gt: 1 } } }, 'unsupported_filter_operator'],
    [{ a: { $not: { $eq: 1 } } }, 'unsupported_filter_operator'],
    [{ $callable: 'always_true', a: 1 }, 'unsupported_filter_operator'],
    [{ $and: { a: 1 } }, 'malformed_filter'],
    [{ $not: [1] }, 'malformed_filter'],
    [{ a: { $in: 'text' } }, 'malformed_filter'],
    [{ a: { $exists: 1 } }, 'malformed_filter'],
  ];
  for (const [filter, fault] of checks)
    assert.deepEqual(faultsOfFilter(filter), [fault], JSON.stringify(filter));
});

test('rules name what the table changes about a filter', () => {
  assert.deepEqual(rulesOfFilter({ page: { $gt: 1 }, lang: ['en'] }), []);
  const siblings = rulesOfFilter({ $and: [{ a: { $ne: 1 } }], b: 1 });
  assert.deepEqual(siblings, ['logical_ignores_siblings', 'no_ne_alias']);
  assert.deepEqual(rulesOfFilter({ $eq: 1 }), ['operator_as_field']);
  assert.deepEqual(rulesOfFilter({ 'a.b': 1 }), ['no_nested_equality']);
});

test('only the exact answer passes', () => {
  const model = modelOf('inner_product', [[1], [2], [1], [-3]]);
  const selection = { rawThreshold: null, relevanceThreshold: null, byRelevance: false };
  /** @param {number} k @param {[string, number][]} hits */
  const check = (k, ...hits) =>
    passes(() => checkHits(model, candidates(model, [1]), { k, ...selection }, found(...hits), []));
  assert.ok(check(2, ['1', 2], ['0', 1]));
  assert.ok(check(9, ['1', 2], ['0', 1], ['2', 1], ['3', -3]));
  assert.ok(!check(2, ['1', 2], ['2', 1]));
  assert.ok(!check(2, ['0', 1], ['1', 2]));
  assert.ok(!check(2, ['1', 2], ['0', 1.1]));
  assert.ok(!check(2, ['1', 2]));
  assert.ok(!check(2, ['1', 2], ['1', 2]));
  assert.ok(!check(2, ['1', 2], ['9', 1]));
  assert.ok(!check(2, ['1', 2], ['0', 1], ['2', 1]));
});

test('thresholds and warnings are checked', () => {
  const model = modelOf('l2', [[0], [1], [2]]);
  /**
   * @param {Partial<import('./search.mjs').Selection>} wanted
   * @param {[string, number][]} hits
   * @param {string[]} warnings
   */
  const check = (wanted, hits, ...warnings) => {
    const selection = { k: 3, rawThreshold: null, relevanceThreshold: null, byRelevance: false, ...wanted };
    return passes(() => checkHits(model, candidates(model, [0]), selection, found(...hits), warnings));
  };
  assert.ok(
    check({ rawThreshold: 1 }, [
      ['0', 0],
      ['1', 1],
    ]),
  );
  assert.ok(!check({ rawThreshold: 1 }, [['0', 0]]));
  const relevance = { relevanceThreshold: 0.9, byRelevance: true };
  assert.ok(check(relevance, [['0', 1]], 'relevance_out_of_range'));
  assert.ok(!check(relevance, [['0', 1]]));
  assert.ok(!check(relevance, [['0', 0]], 'relevance_out_of_range'));
  const none = { k: 1, relevanceThreshold: 1.5, byRelevance: true };
  assert.ok(check(none, [], 'no_relevant_docs'));
  assert.ok(!check(none, []));
});

test('cosine is cosine', () => {
  const model = modelOf('cosine', [
    [10, 0],
    [0.3, 0.4],
  ]);
  const selection = { k: 2, rawThreshold: null, relevanceThreshold: null, byRelevance: false };
  checkHits(model, candidates(model, [3, 4]), selection, found(['1', 1], ['0', 0.6]), []);
});

test('only the best choices of MMR pass', () => {
  const model = modelOf('l2', [
    [1, 0],
    [1, 0],
    [0.6, 0.8],
    [-1, 0],
  ]);
  const query = Float32Array.of(1, 0.1);
  /** @param {number} lambdaMult @param {number} fetchK @param {string[]} ids */
  const check = (lambdaMult, fetchK, ...ids) => {
    const hits = found(...ids.map((id) => /** @type {[string, null]} */ ([id, null])));
    const wanted = { k: 2, fetchK, lambdaMult, threshold: null };
    return passes(() => checkChoice(model, query, candidates(model, [1, 0.1]), wanted, hits));
  };
  assert.ok(check(1, 20, '0', '1'));
  assert.ok(check(0, 20, '0', '3'));
  assert.ok(check(0, 3, '0', '2'));
  assert.ok(!check(1, 20, '1', '0'));
  assert.ok(!check(0, 20, '0', '2'));
  assert.ok(!check(0, 3, '0', '3'));
  assert.ok(!check(0.5, 20, '0'));
});

test('a call wrong in two ways may fail with either', () => {
  const model = new Model('cosine', false, null);
  model.add([doc('a')], [Float32Array.of(1, 0)], ['a']);
  const faults = model.faultsOfAdd([doc('a'), doc('a')], [Float32Array.of(1), Float32Array.of(0, 0)]);
  assert.deepEqual(faults, [
    'dimension_mismatch',
    'zero_vector',
    'duplicate_ids_in_call',
    'id_already_exists',
  ]);
  assert.deepEqual(model.faultsOfQuery(Float32Array.of(0, 0)), ['zero_vector']);
});

test('merging copies and refuses what differs', () => {
  const one = modelOf('l2', [[1, 0]]);
  const two = new Model('l2', false, null);
  two.add([doc('b')], [Float32Array.of(0, 1)], ['b']);
  assert.deepEqual(one.faultsOfMerge(two), []);
  one.merge(two);
  assert.deepEqual([one.entries.length, two.entries.length], [2, 1]);
  assert.deepEqual(one.faultsOfMerge(two), ['id_already_exists']);
  assert.deepEqual(one.faultsOfMerge(null), ['merge_incompatible']);
  assert.deepEqual(one.faultsOfMerge(new Model('l2', true, 2)), ['merge_incompatible']);
  one.delete(['b', 'b']);
  assert.deepEqual(one.faultsOfDelete(['b']), ['unknown_id']);
  assert.deepEqual(one.faultsOfDelete(null), ['no_ids']);
});

/** @param {string} json of a setup */
function plan(json) {
  const [one] = parseFile(`{"cases": [{"name": "x", "ops": [], "expected": [], "setup": ${json}}]}`);
  return planOf(/** @type {import('../oracle.mjs').Setup} */ (one?.setups.get('main')));
}

function twoTexts() {
  const setup = `{"kind": "from_texts", "docs": [{"id": "a", "text": "x", "vector": [1, 0]},
    {"id": "b", "text": "y", "vector": [0, 1]}], "embeddings": {"q": [1, 0], "z": [1]}}`;
  return builtModel(plan(setup), ['a', 'b']);
}

/** @param {string} json */
function request(json) {
  return readRequest(operation(parse(json)));
}

test('errors must be the right ones', () => {
  const model = twoTexts();
  /** @param {string} json @param {string} code */
  const check = (json, code) =>
    passes(() => verify(model, request(json), { failure: { code, message: '' } }, []));
  const search = (/** @type {string} */ args) => `{"op": "similarity_search", "args": {"query": "q"${args}}}`;
  assert.ok(check(search(', "k": 0'), 'k_not_positive'));
  assert.ok(!check(search(''), 'k_not_positive'));
  assert.ok(!check(search(', "k": 0'), 'dimension_mismatch'));
  assert.ok(check(search(', "filter": {"$eq": 1}'), 'unsupported_filter_operator'));
  assert.ok(check('{"op": "similarity_search", "args": {"query": "z"}}', 'dimension_mismatch'));
  assert.ok(check('{"op": "delete"}', 'no_ids'));
  assert.ok(check('{"op": "add_texts", "args": {"texts": ["x"], "ids": ["a"]}}', 'id_already_exists'));
  assert.ok(
    check('{"op": "serialize_roundtrip", "args": {"distance_strategy": "COSINE"}}', 'setting_mismatch'),
  );
  assert.ok(!check('{"op": "serialize_roundtrip", "args": {"allow": false}}', 'dangerous_deserialization'));
});

test('the model moves along', () => {
  const model = twoTexts();
  /** @param {string} json @param {import('../answer.mjs').Answer} answer */
  const check = (json, answer) => passes(() => verify(model, request(json), { answer }, []));
  const add = '{"op": "add_texts", "args": {"texts": ["x"]}}';
  assert.ok(!check(add, { type: 'ids', ids: ['not a uuid'] }));
  const id = '0b0c3a52-6f6e-4d3a-9a51-1d4f0a2b3c4d';
  assert.ok(check(add, { type: 'ids', ids: [id] }));
  assert.ok(!check(add, { type: 'ids', ids: [id] }));
  assert.ok(check('{"op": "delete", "args": {"ids": ["a", "a"]}}', { type: 'true' }));
  /** @param {string[]} ids */
  const state = (...ids) =>
    check('{"op": "state"}', {
      type: 'state',
      state: { ntotal: 2, dim: 2, ids, docstoreIds: [...ids].sort() },
    });
  assert.ok(state('b', id));
  assert.ok(!state(id, 'b'));
  /** @param {number} x */
  const vectors = (x) =>
    check('{"op": "vectors"}', { type: 'vectors', vectors: [Float32Array.of(0, 1), Float32Array.of(1, x)] });
  assert.ok(vectors(0));
  assert.ok(!vectors(0.5));
});

test('setups that the table refuses are refused', () => {
  assert.deepEqual(plan('{"kind": "empty", "dim": 2, "distance_strategy": "JACCARD"}').faults, [
    'unknown_distance_strategy',
  ]);
  const zero =
    '{"kind": "from_texts", "distance_strategy": "COSINE", "docs": [{"text": "a", "vector": [0]}]}';
  assert.deepEqual(plan(zero).faults, ['zero_vector']);
  assert.deepEqual(plan(zero.replace('COSINE', 'DOT_PRODUCT')).faults, []);
  assert.deepEqual(plan('{"kind": "from_documents", "docs": []}').faults, []);
});
