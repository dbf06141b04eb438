// What leaves a driver is held to the contract's types where it still has names.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  InvalidAccount,
  UnexpectedAnswer,
  address,
  description,
  endpointOf,
  instance,
  option,
  page,
  realm,
  requiredOption,
} from '../tracker-driver/index.js';
import { checkedInstance, checkedPage, checkedRealm } from '../tracker-driver/model.js';
import { Host, account, query } from '../tracker-driver/testing.js';

const BARE = { id: 'i-1', state: 'running', providerState: 'up' };

test('what was left out is filled in, and numbers are those of the contract', () => {
  const made = checkedInstance({ ...BARE, launchedAt: 1.5, publicAddresses: [address.ipv6('::1')], labels: [['a', '']] });
  assert.deepEqual(
    [made.launchedAt, made.publicAddresses, made.privateAddresses, made.labels, made.name],
    [1n, [{ kind: 'ipv6', value: '::1' }], [], [['a', '']], undefined],
  );
  assert.deepEqual(instance({ ...BARE }).labels, []);
  const here = { id: 'a', name: 'A', state: 'available' };
  assert.deepEqual(checkedRealm(realm({ ...here })), { ...here, limit: undefined });
  assert.equal(checkedRealm({ ...here, limit: 7 }).limit, 7n);
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
  check(page.partial([]), 'the reason of a partial page is undefined');
  check(page.complete([], '2', { total: '12' }), 'the total of a page is "12"');
  check(page.complete([], '2', { total: 2 ** 60 }), 'the total of a page');
  check(page.complete([], '2', { omitted: -1 }), 'the omitted of a page is -1');
  const { message } = new Host().fails(() => checkedPage((async () => page.complete([]))(), checkedRealm));
  assert.match(message, /gave a promise and no page/);
});

test('a page carries the total and what was left out', () => {
  const numbers = ({ total, omitted }) => [total, omitted];
  assert.deepEqual(numbers(page.complete([])), [undefined, 0]);
  const given = { total: 12, omitted: 2 };
  for (const made of [page.complete([], 'x', given), page.partial([], 'why', 'x', given), page.delta([], ['a'], 'x', given)]) {
    assert.deepEqual([made.next, ...numbers(made)], ['x', 12, 2]);
    assert.deepEqual(numbers(checkedPage(made, checkedInstance)), [12n, 2n]);
  }
  // What is put together by hand need not say so.
  assert.deepEqual(numbers(checkedPage({ items: [], coverage: { tag: 'complete' } }, checkedRealm)), [undefined, 0n]);
});

test('options are found by name', () => {
  const given = account({ options: [['project', 'blue']] });
  assert.deepEqual([option(given, 'project'), option(given, 'zone')], ['blue', undefined]);
  assert.equal(requiredOption(given, 'project'), 'blue');
  assert.throws(() => requiredOption(given, 'zone'), InvalidAccount);
});

test('an account has an endpoint for each role, and a kind of secret', () => {
  assert.deepEqual([account().secret, account().secretExpires, query().ids], ['password', undefined, []]);
  const given = account({ endpoints: [['identity', 'https://id'], ['compute', 'https://c:8774/v2.1']], secret: 'access-token' });
  assert.deepEqual([endpointOf(given, 'compute'), endpointOf(given, 'image')], ['https://c:8774/v2.1', undefined]);
  assert.deepEqual(query({ ids: ['i-1'] }), { cursor: undefined, changedSince: undefined, ids: ['i-1'] });
});

test('a description has all that the contract asks for', () => {
  const plain = description({ name: 'a', title: 'A', version: '1' });
  const nothing = { providers: [], endpoints: [], options: [], roles: [], secrets: [], features: {} };
  assert.deepEqual(plain, { name: 'a', title: 'A', version: '1', ...nothing });
  const compute = { name: 'compute', help: 'Where servers are listed.' };
  const whole = description({
    ...plain,
    providers: [
      { name: 'main', endpoint: 'https://id' },
      { name: 'lab', endpoint: 'https://lab', endpoints: [['compute', 'https://lab:8774']] },
    ],
    options: [{ name: 'zone', help: 'Where.' }],
    roles: [compute, { name: 'image', help: 'Where images are named.', required: true }],
    secrets: ['password', 'access-token'],
    features: { delta: true, byId: true },
  });
  assert.deepEqual(whole.options, [{ name: 'zone', help: 'Where.', required: false, secret: false }]);
  assert.deepEqual(whole.providers.map(({ endpoints }) => endpoints), [[], [['compute', 'https://lab:8774']]]);
  assert.deepEqual(whole.roles.map(({ required }) => required), [false, true]);
  assert.deepEqual([whole.secrets, whole.features], [['password', 'access-token'], { delta: true, byId: true }]);
});

test('an address is of the kind that its text is', () => {
  const check = (text, want) => assert.deepEqual(address.read(text), want, text);
  check('192.0.2.1', address.ipv4('192.0.2.1'));
  check('web.example', address.hostname('web.example'));
  for (const text of ['2001:db8::1', '::1', 'fe80::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::FFFF:192.0.2.1', '1:2:3:4:5:6:192.0.2.1']) {
    check(` ${text}\n`, address.ipv6(text));
  }
  for (const text of ['192.0.2.256', '192.0.2.01', '192.0.2', '192.0.2.1.', 'fe80::1%eth0', '1::2::3', '1:2:3:4:5:6:7:8:9']) {
    check(text, address.hostname(text));
  }
  for (const text of ['1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8::', ':::', '12345::', '192.0.2.1::', '::192.0.2.1:1', ':1', 'web:80']) {
    check(text, address.hostname(text));
  }
  for (const none of ['', ' ', undefined, '0.0.0.0', '::', '0:0::0', '::0.0.0.0']) check(none, undefined);
});
