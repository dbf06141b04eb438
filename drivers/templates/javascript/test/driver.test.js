// The whole driver with a pretend host around it: what it sends, and what becomes of each status.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ENDPOINT, driver } from '../driver.js';
import { Forbidden, Throttled, Unauthorized, Unavailable, UnexpectedAnswer } from '../tracker-driver/index.js';
import { Host, account, answer, query } from '../tracker-driver/testing.js';

const ACCOUNT = account({ endpoint: ENDPOINT, user: 'demo', options: [['project', 'blue sky']] });
const TOKEN = 'a token that nobody sees';
const host = (...answers) => new Host({ answers, secrets: { password: TOKEN } });
const page = (name, options) =>
  answer(200, readFileSync(new URL(`../cassettes/bodies/${name}`, import.meta.url)), {}, options);

test('it describes itself the same each time', () => {
  assert.deepEqual(driver.describe(), driver.describe());
});

test('pages are asked for in turn, with the token', () => {
  const around = host(page('servers-page-1.json'), page('servers-page-2.json'));
  const items = around.run(() => {
    const first = driver.listInstances(ACCOUNT, query());
    return [...first.items, ...driver.listInstances(ACCOUNT, query({ cursor: first.next })).items];
  });
  assert.equal(items.length, 8);
  const base = `${ENDPOINT}/v1/servers?limit=100&project=blue%20sky`;
  assert.deepEqual(
    around.sent.map(({ url }) => url),
    [base, `${base}&after=srv-1004`],
  );
  assert.ok(around.sent[0].headers.some(([, value]) => value === 'Bearer placeholder-raw-password-end'));
  assert.ok(!JSON.stringify(around.sent).includes(TOKEN));
});

test('zones are asked for', () => {
  const around = host(page('zones.json'));
  around.run(() => driver.listRealms(ACCOUNT, query()));
  assert.equal(around.sent[0].url, `${ENDPOINT}/v1/zones`);
});

test('each status has its meaning', () => {
  for (const [status, kind] of [
    [401, Unauthorized],
    [403, Forbidden],
    [404, UnexpectedAnswer],
    [429, Throttled],
    [500, Unavailable],
    [503, Unavailable],
  ]) {
    const error = host(answer(status, 'no')).fails(() => driver.listInstances(ACCOUNT, query()));
    assert.equal(error.constructor, kind);
    assert.equal(error.message, `GET ${ENDPOINT}/v1/servers answered ${status}: no`);
  }
});

test('a throttled request says how long', () => {
  const error = host(answer(429, '', { 'Retry-After': '30' })).fails(() => driver.listInstances(ACCOUNT, query()));
  assert.equal(error.retryAfter, 30);
});

test('an answer that breaks off is no list', () => {
  const broken = page('servers-page-1.json', { broken: 'the connection broke off' });
  assert.ok(host(broken).fails(() => driver.listInstances(ACCOUNT, query())) instanceof Unavailable);
});
