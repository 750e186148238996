// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compareTexts, isWrittenAsInteger, parse, write } from './json.mjs';

/** @typedef {import('./json.mjs').JsonMap} JsonMap */

test('what JSON.parse reads is read the same', () => {
  for (const text of [
    'null',
    ' [1, -2.5e3, "a\\u00e9\\n\\"", {"a": {}, "b": [[]]}, true, false] ',
    '{"a": 1, "a": 2}',
    '"\\ud83d\\ude00 😀"',
    '0.1',
    '[]',
  ]) {
    assert.deepEqual(parse(text), JSON.parse(text), text);
  }
});

test('integers of 64 bits are exact, and wider ones are numbers', () => {
  const exact = ['9007199254740993', '-9223372036854775808', '18446744073709551615', '9007199254740992'];
  for (const text of exact) assert.equal(parse(text), BigInt(text));
  assert.equal(parse('9007199254740991'), 9007199254740991);
  assert.equal(parse('18446744073709551616'), 18446744073709551616);
  assert.equal(parse('1e17'), 1e17);
});

test('how a number was written is remembered', () => {
  const map = /** @type {JsonMap} */ (
    parse('{"a": 1, "b": 1.0, "c": 1e2, "d": -0, "e": "1", "f": 9007199254740993}')
  );
  const integers = Object.keys(map).filter((key) => isWrittenAsInteger(map, key));
  assert.deepEqual(integers, ['a', 'f']);
  assert.equal(isWrittenAsInteger(map, 'toString'), false);
  assert.equal(isWrittenAsInteger(/** @type {JsonMap} */ (parse('{"a": 1.0, "a": 1}')), 'a'), true);
});

test('what is no JSON is refused', () => {
  const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
  const wrong = [
    '',
    '{',
    '[1,]',
    '{"a":}',
    "'a'",
    '01',
    '1.',
    '+1',
    'nul',
    '[1] 2',
    '"\u0001"',
    '"\\x"',
    '{a: 1}',
    'NaN',
  ];
  for (const text of [...wrong, '1e400', '"\\ud800"', deep, '\ufeff1']) {
    assert.throws(() => parse(text), SyntaxError, text.slice(0, 20));
  }
});

test('a key that objects inherit is a key like any other', () => {
  const map = parse('{"__proto__": 1, "constructor": 2}');
  assert.deepEqual(Object.entries(/** @type {JsonMap} */ (map)), [
    ['__proto__', 1],
    ['constructor', 2],
  ]);
  assert.equal(write(map), '{"__proto__":1,"constructor":2}');
});

test('what was read is written again', () => {
  const text = '{"a":[1,18446744073709551615,null,"\\"é"],"b":{"c":-1.5}}';
  assert.equal(write(parse(text)), text);
});

test('texts are in order of their code points', () => {
  const texts = ['', 'B', 'a', 'ab', '\uffff', '😀', '😁'];
  assert.deepEqual([...texts].reverse().sort(compareTexts), texts);
  assert.equal(compareTexts('a', 'a'), 0);
});
