// @ts-check
// The committed cases on the packed package, and that the runner notices answers that are wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { parse, write } from './lib/json.mjs';
import { readFolder } from './lib/oracle.mjs';
import { inWorkers, loadPackage } from './lib/package.mjs';
import { runAll, runCase } from './lib/runner.mjs';

/** @typedef {import('./lib/oracle.mjs').Case} Case */
/** @typedef {import('./lib/oracle.mjs').Expected} Expected */

/** @param {string} name */
function cases(name) {
  return readFolder(fileURLToPath(new URL(`../data/${name}`, import.meta.url)));
}

const twindex = await loadPackage();
const worker = await loadPackage(undefined, 'worker');
const entries = { twindex, 'twindex/worker': worker, 'twindex/worker, in two workers': inWorkers(worker, 2) };

for (const [name, entry] of Object.entries(entries)) {
  test(`every case passes on ${name}, judged by what the native runner judges it by`, async () => {
    /** @type {string[]} */
    const report = [];
    const summary = await runAll(entry, cases('oracle'), (line) => report.push(line));
    const tally = { expected: 731, better: 50, table: 145 };
    assert.deepEqual(summary, { passed: 182, failed: 0, tally }, report.join('\n'));
  });

  test(`cases of our own pass on ${name}`, async () => {
    /** @type {string[]} */
    const report = [];
    const summary = await runAll(entry, cases('table'), (line) => report.push(line));
    assert.deepEqual(
      summary,
      { passed: 8, failed: 0, tally: { expected: 19, better: 3, table: 26 } },
      report.join('\n'),
    );
  });
}

/**
 * The first operations of a case, the last of them with another answer.
 *
 * @param {Case} one
 * @param {number} number
 * @param {(expected: Expected) => Expected} change
 * @returns {Case}
 */
function changed(one, number, change) {
  const expected = one.expected.slice(0, number + 1);
  expected[number] = change(/** @type {Expected} */ (expected[number]));
  return { ...one, ops: one.ops.slice(0, number + 1), expected };
}

test('a wrong answer is noticed wherever the table is silent', async () => {
  let [noticed, passedOver] = [0, 0];
  for (const one of cases('oracle')) {
    for (const number of one.ops.keys()) {
      const wrong = { answer: { error: 'never_heard_of' }, better: null };
      const { failure } = await runCase(
        twindex,
        changed(one, number, (expected) => ({ ...expected, ...wrong })),
      );
      if (failure === null) passedOver += 1;
      else noticed += 1;
    }
  }
  assert.ok(noticed > 600, `only ${noticed} wrong answers were noticed, ${passedOver} were not`);
});

/** @param {string} name */
function caseOf(name) {
  const found = cases('oracle').find((one) => one.name === name);
  assert.ok(found, name);
  return found;
}

/** @type {[string, number, string, string][]} */
const CHANGES = [
  ['score_threshold/l2_keeps_at_or_below', 0, '2.25', '2.2501'],
  ['get_by_ids/order_of_the_request', 0, 'd09', 'd08'],
  ['delete/renumbers_positions', 1, '"ntotal":7', '"ntotal":8'],
  ['delete/renumbers_positions', 2, '1.5,', '1.501,'],
  ['add/add_texts_without_ids', 1, '[3,"<uuid:0>"]', '[3,"<uuid:1>"]'],
  ['add/nested_metadata', 1, 'true', '1'],
];
for (const [name, number, from, to] of CHANGES) {
  test(`${to} in place of ${from} is noticed in ${name}`, async () => {
    const wrong = changed(caseOf(name), number, (expected) => {
      assert.ok('ok' in expected.answer);
      const text = write(expected.answer.ok);
      assert.ok(text.includes(from), text);
      return { ...expected, answer: { ok: parse(text.replace(from, to)) } };
    });
    assert.notEqual((await runCase(twindex, wrong)).failure, null);
  });
}

test('a warning that nobody expects is noticed', async () => {
  const silent = changed(caseOf('relevance/euclidean'), 0, (expected) => ({ ...expected, warnings: [] }));
  assert.match((await runCase(twindex, silent)).failure ?? '', /warnings/);
});

test('a filter function that nobody knows is noticed', async () => {
  const one = caseOf('filter/callable_filters');
  const [first] = one.ops;
  assert.ok(first);
  const op = { ...first, args: { ...first.args, filter: { $callable: 'unheard_of' } } };
  const unknown = { ...one, ops: [op, ...one.ops.slice(1)] };
  assert.match((await runCase(twindex, unknown)).failure ?? '', /no filter function is called "unheard_of"/);
});
