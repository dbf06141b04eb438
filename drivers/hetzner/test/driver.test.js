// The whole driver with a pretend host around it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import {
  Forbidden,
  Throttled,
  Unauthorized,
  Unavailable,
  UnexpectedAnswer,
} from '../../js-sdk/tracker-driver/index.js';
import { Host, answer } from '../../js-sdk/tracker-driver/testing.js';
import { driver } from '../driver.js';

const ACCOUNT = { provider: 'main', endpoint: 'https://api.hetzner.cloud', user: 'me', options: [] };
const fixture = (name) => readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8');
const host = (...answers) => new Host({ answers, secrets: { password: 't0ken' }, now: 1_795_168_800_000 });

test('servers are listed page by page', () => {
  const around = host(answer(200, fixture('servers-page-1')), answer(200, fixture('servers-page-2')));
  const ids = around.run(() => {
    const first = driver.listInstances(ACCOUNT, {});
    return [...first.items, ...driver.listInstances(ACCOUNT, { cursor: first.next }).items].map(({ id }) => id);
  });
  assert.deepEqual(ids, ['42', '43', '44', '45', '46', '47', '48', '49', '50']);
  assert.deepEqual(
    around.sent.map(({ url }) => url),
    [1, 2].map((page) => `https://api.hetzner.cloud/v1/servers?page=${page}&per_page=50&sort=id%3Aasc`),
  );
  assert.deepEqual(around.sent[0].headers[0], ['authorization', 'Bearer placeholder-raw-password-end']);
});

test('locations are realms', () => {
  const realms = host(answer(200, fixture('locations'))).run(() => driver.listRealms(ACCOUNT, {})).items;
  assert.deepEqual(realms[0], { id: 'fsn1', name: 'Falkenstein DC Park 1', state: 'available' });
  assert.equal(realms.length, 3);
});

test('errors are told in the words of the API', () => {
  const check = (answered, kind, words) => {
    const error = host(answered).fails(() => driver.listInstances(ACCOUNT, {}));
    assert.ok(error instanceof kind && error.message.includes(words), `${error.name}: ${error.message}`);
    return error;
  };
  check(answer(401, fixture('error-unauthorized')), Unauthorized, 'unauthorized: unable to authenticate');
  check(answer(403, fixture('error-forbidden')), Forbidden, 'forbidden: insufficient permissions');
  const throttled = answer(429, fixture('error-rate-limit'), { 'RateLimit-Limit': '3600', 'RateLimit-Reset': '1795168930' });
  assert.equal(check(throttled, Throttled, 'rate_limit_exceeded').retryAfter, 60);
  check(answer(503, fixture('error-maintenance')), Unavailable, 'maintenance');
  check(answer(500, '<html>'), Unavailable, 'answered 500: <html>');
  check(answer(200, '<html>Please log in</html>'), UnexpectedAnswer, 'is not JSON');
  check(answer(200, ''), UnexpectedAnswer, 'empty');
  check(answer(200, '{"servers": [{"id": 1}], "meta": {}}'), UnexpectedAnswer, '`servers[0].status`');
  check(answer(302, '', { Location: 'https://evil.example/' }), UnexpectedAnswer, 'not followed');
});

test('an answer that is cut off anywhere is never taken for a list', () => {
  for (const [name, list] of [
    ['servers-page-1', driver.listInstances],
    ['locations', driver.listRealms],
  ]) {
    const whole = new TextEncoder().encode(fixture(name).trimEnd());
    for (let end = 0; end < whole.length; end += 1) {
      const error = host(answer(200, whole.subarray(0, end))).fails(() => list(ACCOUNT, {}));
      const kind = end === 0 ? UnexpectedAnswer : Unavailable;
      assert.ok(error instanceof kind, `${name} at ${end}: ${error.name}: ${error.message}`);
    }
  }
});
