// What leaves a driver is held to the contract's types where it still has names.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  InvalidAccount,
  UnexpectedAnswer,
  address,
  description,
  instance,
  option,
  page,
  realm,
  requiredOption,
  secret,
} from '../tracker-driver/index.js';
import { checkedInstance, checkedPage, checkedRealm } from '../tracker-driver/model.js';
import { Host } from '../tracker-driver/testing.js';

const BARE = { id: 'i-1', state: 'running', providerState: 'up' };

test('what was left out is filled in, and numbers are those of the contract', () => {
  const made = checkedInstance({ ...BARE, launchedAt: 1.5, publicAddresses: [address.ipv6('::1')], labels: [['a', '']] });
  assert.deepEqual(
    [made.launchedAt, made.publicAddresses, made.privateAddresses, made.labels, made.name],
    [1n, [{ kind: 'ipv6', value: '::1' }], [], [['a', '']], undefined],
  );
  assert.deepEqual(instance({ ...BARE }).labels, []);
  assert.deepEqual(checkedRealm(realm({ id: 'a', name: 'A', state: 'available' })), { id: 'a', name: 'A', state: 'available' });
  assert.equal(checkedRealm({ id: 'a', name: 'A', state: 'available', limit: 7 }).limit, 7n);
});

test('what is of another type is named', () => {
  const check = (changes, words) => {
    const wrong = { ...BARE, ...changes };
    assert.throws(() => checkedInstance(wrong), (error) => error instanceof TypeError && error.message.includes(words));
  };
  check({ id: 7 }, 'the id of an instance is 7: it has to be text');
  check({ state: 'runing' }, 'the state of an instance is "runing": it has to be one of pending running');
  check({ providerState: undefined }, 'the providerState of an instance is undefined');
  check({ image: null }, 'the image of an instance is null');
  check({ launchedAt: NaN }, 'the launchedAt');
  check({ launchedAt: '2026-11-22' }, 'the launchedAt');
  check({ publicAddresses: ['10.0.0.1'] }, 'the publicAddresses of an instance is ["10.0.0.1"]');
  check({ labels: [['a', 1]] }, 'the labels of an instance is [["a",1]]');
  assert.throws(() => checkedRealm({ id: 'a', name: 'A', state: 'up' }), /the state of a realm is "up"/);
  assert.throws(() => checkedRealm({ id: 'a', name: 'A', state: 'available', limit: 1.5 }), /the limit of a realm/);
});

test('a mistake of the driver is an error with its place, in tests as in Tracker', () => {
  const host = new Host();
  const error = host.fails(() => page.complete([{ ...BARE, state: 'runing' }]));
  assert.ok(error instanceof UnexpectedAnswer);
  assert.match(error.message, /the driver failed on what it got: TypeError: the state of an instance .* \(.*model\.js:\d+/);
  assert.match(host.logged[0], /^error: .*model\.test\.js/);
});

test('what is no page is none', () => {
  const check = (given, words) => assert.ok(new Host().fails(() => given).message.includes(words), words);
  check({ items: undefined }, 'the driver gave no page');
  check({ items: [], next: 7 }, 'the next of a page is 7');
  const { message } = new Host().fails(() => checkedPage((async () => page.complete([]))(), checkedRealm));
  assert.match(message, /gave a promise and no page/);
});

test('options are found by name', () => {
  const account = { provider: 'main', endpoint: 'https://a', user: 'me', options: [['project', 'blue']] };
  assert.deepEqual([option(account, 'project'), option(account, 'zone')], ['blue', undefined]);
  assert.equal(requiredOption(account, 'project'), 'blue');
  assert.throws(() => requiredOption(account, 'zone'), InvalidAccount);
  const { options } = description({ name: 'a', title: 'A', version: '1', options: [{ name: 'zone', help: 'Where.' }] });
  assert.deepEqual(options, [{ name: 'zone', help: 'Where.', required: false, secret: false }]);
  assert.equal(new Host().run(() => secret.optionalPlaceholder('key')), undefined);
});
