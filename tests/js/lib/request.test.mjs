// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse } from './json.mjs';
import { expectation, operation, parseFile, tableOf } from './oracle.mjs';
import { documentsOf, readRequest } from './request.mjs';

/** @param {string} json */
function read(json) {
  return readRequest(operation(parse(json)));
}

/** @param {string} json */
function search(json) {
  const request = read(json);
  if (request.type !== 'search') throw new Error('a search expected');
  return request;
}

test('null is an answer and nothing is not', () => {
  assert.deepEqual(expectation(parse('{"ok": null}')).answer, { ok: null });
  assert.throws(() => expectation(parse('{}')));
  assert.throws(() => expectation(parse('{"ok": 1, "error": {"kind": "x"}}')));
  const failed = expectation(parse('{"error": {"kind": "x"}, "better": {"ok": [], "quirk": "q"}}'));
  assert.deepEqual([failed.answer, failed.better], [{ error: 'x' }, { answer: { ok: [] }, quirk: 'q' }]);
});

test('the first text wins and embeddings come on top', () => {
  const [one] =
    parseFile(`{"cases": [{"name": "g/x", "ops": [], "expected": [], "setup": {"kind": "from_documents",
    "docs": [{"text": "a", "vector": [1]}, {"text": "a", "vector": [2]},
      {"id": 7, "text": "b", "vector": [3]}], "embeddings": {"b": [4]}}}]}`);
  const setup = one?.setups.get('main');
  assert.ok(setup);
  assert.deepEqual(
    setup.docs.map((doc) => doc.id),
    [null, null, '7'],
  );
  assert.deepEqual(
    [...tableOf(setup)],
    [
      ['a', Float32Array.of(1)],
      ['b', Float32Array.of(4)],
    ],
  );
});

test('files that are no case files are refused with what is wrong', () => {
  const file = (/** @type {string} */ one) => () => parseFile(`{"schema": 1, "cases": [${one}]}`);
  const setup = '"setup": {"kind": "empty", "dim": 2}';
  assert.throws(
    file(`{"name": "g/x", ${setup}, "ops": [{"op": "state"}], "expected": []}`),
    /1 operations and 0 answers/,
  );
  assert.throws(
    file('{"name": "g/x", "setup": {"kind": "other"}, "ops": [], "expected": []}'),
    /kind|one of/,
  );
  assert.throws(file(`{${setup}, "ops": [], "expected": []}`), /name: text expected/);
  assert.throws(file(`{"name": "g/x", ${setup}, "ops": null, "expected": []}`), /ops: a list expected/);
  assert.throws(() => parseFile('{"schema": 2, "cases": []}'), /schema 1 expected/);
  assert.throws(() => parseFile('{}'), /cases: a list expected/);
});

test('a call overrides a retriever key by key', () => {
  const { own, effective, kind } = search(`{"op": "retriever", "args": {"query": "q",
    "search_kwargs": {"k": 2, "filter": {"a": 1}}, "invoke_kwargs": {"k": 3, "filter": null}}}`);
  assert.deepEqual([own.k, own.filter, effective.k, effective.filter, kind], [2, { a: 1 }, 3, null, 'plain']);
});

test('a threshold retriever needs a number', () => {
  for (const [threshold, kind, refusal] of [
    ['1', 'relevance', null],
    ['0.5', 'relevance', null],
    ['true', null, 'score_threshold_required'],
    ['null', null, 'score_threshold_required'],
  ]) {
    const request =
      search(`{"op": "retriever", "args": {"query": "q", "search_type": "similarity_score_threshold",
      "search_kwargs": {"score_threshold": ${threshold}}}}`);
    assert.deepEqual(
      [request.kind, request.refusal, request.integerThreshold],
      [kind, refusal, threshold === '1'],
    );
  }
});

test('ids come from the argument, then from the documents', () => {
  const ids = (/** @type {string} */ args) => {
    const request = read(
      `{"op": "add_documents", "args": {"documents": [{"id": "a", "text": "x"}, {"text": "y"}]${args}}}`,
    );
    const docs = request.type === 'add' ? documentsOf(request) : [];
    return typeof docs === 'string' ? docs : docs.map((doc) => doc.id);
  };
  assert.deepEqual(ids(''), ['a', null]);
  assert.deepEqual(ids(', "ids": []'), [null, null]);
  assert.deepEqual(ids(', "ids": ["k", ""]'), ['k', '']);
  assert.deepEqual(ids(', "ids": [9007199254740993, 1.0]'), ['9007199254740993', '1.0']);
  assert.equal(ids(', "ids": ["k"]'), 'length_mismatch');
  assert.equal(ids(', "metadatas": [{}]'), 'length_mismatch');
  const blank = read('{"op": "add_documents", "args": {"documents": [{"id": "", "text": "x"}]}}');
  assert.deepEqual(blank.type === 'add' && documentsOf(blank), [
    { id: null, text: 'x', metadata: {}, vector: null },
  ]);
});

test('operations and arguments that no case has are refused', () => {
  assert.throws(() => read('{"op": "compact", "args": {"query": "q"}}'), /no operation is called "compact"/);
  assert.throws(() => read('{"op": "similarity_search"}'), /needs a query/);
  assert.throws(
    () => read('{"op": "similarity_search", "args": {"query": "q", "k": 1.0}}'),
    /k must be an integer/,
  );
  assert.throws(
    () => read('{"op": "similarity_search_by_vector", "args": {"embedding": ["x"]}}'),
    /list of numbers/,
  );
  assert.throws(() => read('{"op": "merge_from"}'), /needs from/);
});
