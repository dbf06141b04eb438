// What is cut off is told from what is no JSON, whatever the engine calls it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Unavailable, UnexpectedAnswer } from '../tracker-driver/index.js';
import { breaksOff, readJson } from '../tracker-driver/json.js';

const WHOLE = '{"a": [1, -2.5e+3, "x\\u00e9\\"", true, false, null, {}, []], "b": {"c": "\u00e9\u{1f600}"}}';

test('every beginning of JSON breaks off', () => {
  assert.deepEqual(readJson(new TextEncoder().encode(WHOLE)), JSON.parse(WHOLE));
  const bytes = new TextEncoder().encode(WHOLE);
  for (let end = 1; end < bytes.length; end += 1) {
    assert.throws(() => readJson(bytes.subarray(0, end)), Unavailable, `at ${end}`);
  }
});

test('a byte order mark is passed over', () => {
  const marked = (text) => new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode(text)]);
  assert.deepEqual(readJson(marked('[1]')), [1]);
  assert.throws(() => readJson(marked('[1')), Unavailable);
  assert.throws(() => readJson(marked('')), UnexpectedAnswer);
});

test('what is no JSON is not the beginning of it', () => {
  for (const text of ['<html>', 'nope', '{"a" 1}', '{"a": 1,]', '[1 2]', '{a: 1}', "{'a': 1}", '[1]]', '{"a": .}', 'truth']) {
    assert.equal(breaksOff(text), false, text);
    assert.throws(() => readJson(new TextEncoder().encode(text)), UnexpectedAnswer, text);
  }
  assert.throws(() => readJson(new Uint8Array([0x22, 0xff, 0x22])), UnexpectedAnswer);
  assert.throws(() => readJson(new Uint8Array()), UnexpectedAnswer);
  // However deep: the engine's stack is small in a component.
  assert.equal(breaksOff('['.repeat(300_000)), true);
  assert.equal(breaksOff(`${'['.repeat(300_000)}x`), false);
});
