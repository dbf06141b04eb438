// What is made of answers: every state, pages, and what is missing or odd.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Fields, UnexpectedAnswer } from '../../js-sdk/tracker-driver/index.js';
import * as answers from '../answers.js';

export function fixture(name) {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'));
}

const of = (json) => answers.server(new Fields(json));

test('a server is read whole', () => {
  const [server] = fixture('servers-page-1').servers;
  assert.deepEqual(of(server), {
    id: '42',
    name: 'my-server',
    state: 'running',
    providerState: 'running',
    realm: 'fsn1',
    image: 'ubuntu-20.04',
    hardwareProfile: 'cx11',
    launchedAt: Date.UTC(2016, 0, 30, 23, 50),
    publicAddresses: [
      { kind: 'ipv4', value: '1.2.3.4' },
      { kind: 'ipv6', value: '2001:db8::1' },
    ],
    privateAddresses: [{ kind: 'ipv4', value: '10.1.1.5' }],
    labels: [
      ['environment', 'prod'],
      ['example.com/my', 'label'],
    ],
  });
});

test('every state is mapped, and none is guessed', () => {
  const servers = [...fixture('servers-page-1').servers, ...fixture('servers-page-2').servers];
  const states = Object.fromEntries(servers.map(of).map(({ providerState, state }) => [providerState, state]));
  assert.deepEqual(states, {
    running: 'running',
    starting: 'pending',
    initializing: 'pending',
    stopping: 'stopping',
    off: 'stopped',
    deleting: 'shutting-down',
    migrating: 'unknown',
    rebuilding: 'unknown',
    unknown: 'unknown',
  });
  for (const odd of ['hibernating', 'constructor', '']) assert.equal(of({ id: 1, status: odd }).state, 'unknown');
});

test('what may be missing is missing, and what has to be there is asked for', () => {
  const bare = of({ id: 1, status: 'off', image: null, public_net: null, labels: null, created: 'soon' });
  assert.deepEqual(
    [bare.name, bare.realm, bare.image, bare.launchedAt, bare.publicAddresses, bare.labels],
    [undefined, undefined, undefined, undefined, [], []],
  );
  assert.equal(of({ id: 1, status: 'off', image: { id: 9, name: null } }).image, '9');
  assert.equal(of({ id: 1, status: 'off', location: { name: 'hel1' }, datacenter: null }).realm, 'hel1');
  const wrong = (json, words) => assert.throws(() => of(json), (error) => error instanceof UnexpectedAnswer && error.message.includes(words));
  wrong({ status: 'off' }, 'no `id`');
  wrong({ id: '1', status: 'off' }, '`id` in the answer is a text');
  wrong({ id: 1 }, 'no `status`');
  wrong({ id: 1, status: 'off', labels: { a: 1 } }, '`labels.a`');
});

test('pages lead from one to the next, and a list that changed removes nothing', () => {
  const page = (name, cursor) => answers.pageOf(new Fields(fixture(name)), 'servers', answers.server, answers.placeOf(cursor));
  const first = page('servers-page-1');
  assert.deepEqual([first.items.length, first.next, first.coverage.tag], [5, '2/5/9/0', 'complete']);
  const last = page('servers-page-2', first.next);
  assert.deepEqual([last.items.length, last.next, last.coverage.tag], [4, undefined, 'complete']);
  assert.equal(page('servers-page-2', '2/5/8/0').coverage.tag, 'partial', 'there were eight a page before');
  assert.equal(page('servers-page-2', '2/4/9/0').coverage.tag, 'partial', 'one was never listed');
  assert.equal(page('servers-none').coverage.tag, 'complete');
  const endless = { servers: [], meta: { pagination: { next_page: 2, total_entries: 3 } } };
  assert.throws(() => answers.pageOf(new Fields(endless), 'servers', answers.server, answers.placeOf()), UnexpectedAnswer);
});

test('a wait is the time until some requests are there again', () => {
  const now = 1_795_168_800_500;
  const check = (reset, limit, want) => assert.equal(answers.wait(reset, limit, now), want, `${reset} ${limit}`);
  check('1795172400', '3600', 60);
  check('1795172400', undefined, 60);
  check('1795172400', 'many', 60);
  check('1795172400', '7200', 30);
  check('1795172400', '600', 360);
  check('1795168807', '3600', 7);
  for (const none of [undefined, '', 'soon', '-5', '1795168700']) check(none, '3600', undefined);
});
