// What is made of recorded answers, whole, cut off and others than expected.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import * as answers from '../answers.js';
import { Fields, Unavailable, UnexpectedAnswer } from '../tracker-driver/index.js';
import { readJson } from '../tracker-driver/json.js';

const body = (name) => readFileSync(new URL(`../cassettes/bodies/${name}`, import.meta.url));
const bytes = (text) => new TextEncoder().encode(text);
const servers = (content) => answers.servers(new Fields(readJson(content)));

test('a server is read to its last field', () => {
  const { items, next, coverage } = servers(body('servers-page-1.json'));
  assert.deepEqual([items.length, next, coverage.tag], [4, 'srv-1004', 'complete']);
  const [first] = items;
  assert.deepEqual([first.id, first.name, first.realm], ['srv-1001', 'web-1', 'north-1']);
  assert.deepEqual([first.image, first.hardwareProfile], ['img-debian-13', 'small']);
  assert.equal(first.launchedAt, 1_793_607_300_000);
  assert.deepEqual(first.publicAddresses, [{ kind: 'ipv4', value: '203.0.113.10' }]);
  assert.deepEqual(first.labels, [
    ['role', 'web'],
    ['team', 'shop'],
  ]);
});

test('every state is mapped, and no other is guessed', () => {
  for (const [word, state] of [...answers.STATES, ['hibernating', 'unknown'], ['constructor', 'unknown']]) {
    const found = answers.server(new Fields({ id: 'srv-1', status: word }));
    assert.deepEqual([found.state, found.providerState], [state, word]);
  }
});

test('a list that is not whole says so', () => {
  assert.deepEqual(servers(body('servers-partial.json')).coverage, {
    tag: 'partial',
    val: 'these zones did not answer: south-2',
  });
});

test('zones are realms', () => {
  const { items } = answers.zones(new Fields(readJson(body('zones.json'))));
  assert.deepEqual(
    items.map(({ id, state, limit }) => [id, state, limit]),
    [
      ['north-1', 'available', 50],
      ['south-2', 'unavailable', 20],
    ],
  );
});

test('an answer cut off anywhere is never a shorter list', () => {
  const whole = new TextEncoder().encode(new TextDecoder().decode(body('servers-page-1.json')).trimEnd());
  for (let end = 0; end < whole.length; end += 1) {
    assert.throws(
      () => servers(whole.subarray(0, end)),
      (error) => error instanceof Unavailable || error instanceof UnexpectedAnswer,
    );
  }
});

test('what is no list is no empty list', () => {
  for (const content of ['', 'null', '[]', '{}', '{"servers": null}', '{"servers": [{"id": 7}]}', '<html>log in</html>']) {
    assert.throws(() => servers(bytes(content)), UnexpectedAnswer, content);
  }
});

test('what may be missing may be missing', () => {
  const { items, next } = servers(bytes('{"servers": [{"id": "srv-1", "status": "running"}]}'));
  assert.deepEqual([items[0].name, items[0].labels, next], [undefined, [], undefined]);
});
