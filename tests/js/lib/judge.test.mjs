// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { agrees, isSameData, isUuid4, Uuids } from './compare.mjs';
import { parse } from './json.mjs';
import { judge, Lineage, partByMerge } from './judge.mjs';
import { Model } from './model/model.mjs';
import { Wrong } from './model/search.mjs';
import { Notes } from './model/values.mjs';
import { expectation, operation } from './oracle.mjs';
import { readRequest } from './request.mjs';

/** @typedef {import('./answer.mjs').Outcome} Outcome */
/** @typedef {import('./json.mjs').Json} Json */

const ONE = '0b0c3a52-6f6e-4d3a-9a51-1d4f0a2b3c4d';
const TWO = '1b0c3a52-6f6e-4d3a-aa51-1d4f0a2b3c4d';
/** @type {Outcome} */
const DONE = { answer: { type: 'done' } };

/** @param {string} code @returns {Outcome} */
function failed(code) {
  return { failure: { code, message: '' } };
}

/** @param {string} json */
function expected(json) {
  return expectation(parse(json));
}

/** @param {string} json */
function request(json) {
  return readRequest(operation(parse(json)));
}

/** @param {string} distanceStrategy */
function lineage(distanceStrategy) {
  const none = { dim: null, index: null, relevanceScoreFn: null, docs: [], embeddings: new Map() };
  return new Lineage({ kind: 'from_texts', distanceStrategy, normalizeL2: false, ...none });
}

/** @param {[string, number][]} hits @returns {Outcome} */
function docs(...hits) {
  return {
    answer: { type: 'docs', docs: hits.map(([id, score]) => ({ id, text: 't', metadata: { n: 1 }, score })) },
  };
}

/** @param {string[]} ids @returns {Outcome} */
function state(...ids) {
  return { answer: { type: 'state', state: { ntotal: 2, dim: 1, ids, docstoreIds: ids } } };
}

test('ids made up are remembered', () => {
  const uuids = new Uuids();
  /** @param {string[]} ids */
  const added = (...ids) => agrees({ ok: ['<uuid:0>', 'a'] }, [], { answer: { type: 'ids', ids } }, uuids);
  assert.ok(!added('x', 'a'));
  assert.ok(added(ONE, 'a'));
  assert.ok(!added(TWO, 'a'));
  const pairs = {
    ntotal: 2,
    dim: 1,
    index_to_docstore_id: [
      [0, '<uuid:0>'],
      [1, '<uuid:1>'],
    ],
  };
  const wanted = { ok: { ...pairs, docstore_ids: ['<uuid:0>', '<uuid:1>'] } };
  assert.ok(agrees(wanted, [], state(ONE, TWO), new Uuids(uuids.bound)));
  assert.ok(!agrees(wanted, [], state(TWO, ONE), uuids));
});

test('ties may swap and nothing else', () => {
  const scores = /** @type {[string, number][]} */ ([
    ['a', 1],
    ['b', 1],
    ['c', 2],
  ]);
  const wanted = { ok: scores.map(([id, score]) => ({ id, text: 't', metadata: { n: 1 }, score })) };
  /** @param {Json[][]} ties @param {[string, number][]} hits */
  const check = (ties, ...hits) => agrees(wanted, ties, docs(...hits), new Uuids());
  const ties = [['a', 'b', 'd']];
  assert.ok(check([], ['a', 1], ['b', 1], ['c', 2]));
  assert.ok(check(ties, ['d', 1], ['a', 1], ['c', 2]));
  assert.ok(!check([], ['b', 1], ['a', 1], ['c', 2]));
  assert.ok(!check(ties, ['a', 1], ['a', 1], ['c', 2]));
  assert.ok(!check(ties, ['a', 1], ['c', 1], ['b', 2]));
  assert.ok(!check(ties, ['a', 1.1], ['b', 1], ['c', 2]));
});

test('types count, and numbers are the same by value', () => {
  assert.ok(isSameData({ a: [1, 10n ** 17n, null] }, { a: [1n, 1e17, null] }));
  assert.ok(!isSameData(9007199254740993n, 9007199254740992));
  assert.ok(!isSameData({ n: true }, { n: 1 }));
  assert.ok(!isSameData({}, new Map()));
  assert.ok(!isSameData({}, []));
  assert.ok(!isSameData({ a: undefined }, { a: undefined }));
  assert.ok(!isSameData({ toString: 1 }, { valueOf: 1 }));
  assert.ok(agrees({ ok: null }, [], DONE, new Uuids()));
  assert.ok(!agrees({ ok: null }, [], { answer: { type: 'true' } }, new Uuids()));
});

test('uuids are of version 4', () => {
  assert.ok(isUuid4(ONE) && isUuid4(TWO));
  assert.ok(!isUuid4('0b0c3a52-6f6e-1d3a-9a51-1d4f0a2b3c4d'));
  assert.ok(!isUuid4('0b0c3a52-6f6e-4d3a-7a51-1d4f0a2b3c4d'));
  assert.ok(!isUuid4('x'));
});

test('the table speaks where it should and nowhere else', () => {
  const model = new Model('l2', false, 2);
  /** @param {string} strategy @param {string} json */
  const rules = (strategy, json) => [
    ...lineage(strategy).rules(request(json), model, new Notes(), expected('{"ok": []}'), docs()),
  ];
  /** @param {string} args */
  const search = (args) => `{"op": "similarity_search", "args": {"query": "q"${args}}}`;
  assert.deepEqual(rules('EUCLIDEAN_DISTANCE', search(', "k": 1, "filter": {"a": 1}, "fetch_k": 2')), []);
  assert.deepEqual(rules('MAX_INNER_PRODUCT', search('')), []);
  assert.deepEqual(rules('COSINE', search('')), ['cosine_is_l2']);
  assert.deepEqual(rules('EUCLIDEAN_DISTANCE', search(', "k": -1')), ['negative_k_slices']);
  const relevance = '{"op": "similarity_search_with_relevance_scores", "args": {"query": "q"}}';
  assert.deepEqual(rules('MAX_INNER_PRODUCT', relevance), ['mip_relevance_inverted']);
  assert.deepEqual(rules('COSINE', '{"op": "state"}'), []);
});

test('a disagreement needs a rule', () => {
  const wanted = expected('{"ok": true, "better": {"error": {"kind": "unknown_id"}, "quirk": "q"}}');
  /** @type {Outcome} */
  const yes = { answer: { type: 'true' } };
  const uuids = new Uuids();
  assert.equal(judge(wanted, new Set(), failed('unknown_id'), [], uuids), 'better');
  assert.throws(() => judge(wanted, new Set(), yes, [], uuids), Wrong);
  assert.equal(judge(wanted, new Set(['none_id']), yes, [], uuids), 'table');
  const warned = expected('{"ok": [], "warnings": ["no_relevant_docs", "normalize_not_applicable"]}');
  assert.equal(judge(warned, new Set(), docs(), ['no_relevant_docs'], uuids), 'expected');
  assert.throws(() => judge(warned, new Set(), docs(), [], uuids), Wrong);
});

test('stores part where the table changes the state', () => {
  const [main, source, cosine] = [
    lineage('EUCLIDEAN_DISTANCE'),
    lineage('EUCLIDEAN_DISTANCE'),
    lineage('COSINE'),
  ];
  partByMerge(main, source, expected('{"ok": null}'), DONE);
  assert.deepEqual([[...main.causes], [...source.causes]], [[], ['merge_empties_source']]);
  main.part(request('{"op": "serialize_roundtrip"}'), expected('{"ok": null}'), DONE);
  assert.deepEqual([...main.causes], []);
  cosine.part(request('{"op": "serialize_roundtrip"}'), expected('{"ok": null}'), DONE);
  assert.deepEqual([...cosine.causes], ['load_forgets_settings']);
  const add = request('{"op": "add_texts", "args": {"texts": ["a"], "ids": ["x"]}}');
  main.part(add, expected('{"error": {"kind": "id_already_exists"}}'), failed('id_already_exists'));
  assert.deepEqual([...main.causes], ['add_not_atomic']);
});
