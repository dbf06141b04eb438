// Requests and answers, with a pretend host around them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  Fields,
  InvalidAccount,
  NotSet,
  Request,
  Throttled,
  Unavailable,
  UnexpectedAnswer,
  dates,
  encodePath,
  log,
  session,
} from '../tracker-driver/index.js';
import { Host, answer } from '../tracker-driver/testing.js';

const NOW = Date.UTC(2026, 10, 22, 10);
const get = (url = 'https://api.example/v1') => Request.get(url).send();
const host = (...answers) => new Host({ answers, secrets: { password: 'p\u00e4ss' }, user: 'me', now: NOW });

test('what is put together is what is sent', () => {
  const around = host(answer(200));
  around.run(() => Request.post('https://API.example:443/a?x=1').query({ q: "a b'&" }).basicAuth().form({ a: 'b c' }).send());
  assert.deepEqual(around.sent, [
    {
      method: 'POST',
      url: 'https://api.example/a?x=1&q=a%20b%27%26',
      headers: [
        ['authorization', 'Basic placeholder-basic-password-end'],
        ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
      ],
      body: 'a=b%20c',
    },
  ]);
  assert.equal(encodePath('/a b/\u00e9'), '/a%20b/%C3%A9');
  for (const url of ['api.example', 'ftp://api.example/', 'https://u:p@api.example/', 'https:///x', 'https://a/ b']) {
    assert.ok(host().fails(() => get(url)) instanceof InvalidAccount, url);
  }
  const without = new Host().fails(() => Request.get('https://a/').bearer('token'));
  assert.ok(without instanceof NotSet);
});

test('Retry-After is read in seconds and as a date', () => {
  const check = (header, want) => {
    const error = host(answer(429, '', { 'Retry-After': header })).fails(() => get().success());
    assert.ok(error instanceof Throttled);
    assert.equal(error.retryAfter, want, header);
  };
  check('30', 30);
  check('99999999999999', 2 ** 32 - 1);
  check('Sun, 22 Nov 2026 10:02:00 GMT', 120);
  check('Sunday, 22-Nov-26 10:02:00 GMT', 120);
  check('Sun Nov 22 10:02:00 2026', 120);
  check('Sun, 22 Nov 2026 09:00:00 GMT', 0);
  check('soon', undefined);
  assert.ok(host(answer(503, '', { 'retry-after': '5' })).fails(() => get().success()) instanceof Throttled);
});

test('a body that is shorter than it said broke off', () => {
  const check = (given, kind, words) => {
    const error = host(given).fails(() => get().bytes(10));
    assert.ok(error instanceof kind && error.message.includes(words), error.message);
  };
  check(answer(200, 'abc', { 'Content-Length': '4' }), Unavailable, '3 bytes came of 4');
  check(answer(200, 'abc', {}, { broken: 'reset' }), Unavailable, 'reset');
  check(answer(200, 'x'.repeat(11), {}, { piece: 3 }), UnexpectedAnswer, 'more than 10 bytes');
  const unpacked = answer(200, 'abc', { 'Content-Length': '2', 'Content-Encoding': 'gzip' });
  assert.equal(host(unpacked).run(() => get().text()), 'abc');
});

test('fields are asked for by name and kind', () => {
  const fields = new Fields({ servers: [{ id: 1, tags: ['a', 2], big: 2 ** 60, none: null }] });
  const [server] = fields.objects('servers');
  assert.deepEqual([server.integer('id'), server.optionalText('none'), server.place], [1, undefined, 'servers[0]']);
  const check = (code, words) =>
    assert.throws(code, (error) => error instanceof UnexpectedAnswer && error.message.includes(words));
  check(() => server.text('id'), '`servers[0].id` in the answer is a whole number where a text was expected');
  check(() => server.text('name'), 'no `servers[0].name`');
  check(() => server.optionalTexts('tags'), '`servers[0].tags[1]`');
  check(() => server.integer('big'), 'a number beyond 2^53');
  for (const none of [[], 'text', 7, null, true]) {
    check(() => new Fields(none).text('a'), 'where an object was expected');
    check(() => new Fields(none).optionalObject('a'), 'where an object was expected');
    check(() => new Fields(none).integer('length'), 'where an object was expected');
  }
  check(() => new Fields({ toString: 1 }).text('constructor'), 'no `constructor`');
});

test('times are read as providers write them', () => {
  const check = (text, want) => assert.equal(dates.parseRfc3339(text), want, text);
  check('2026-11-22T10:00:00.1234Z', NOW + 123);
  check('2026-11-22 11:00:00+01:00', NOW);
  check('2026-11-22T10:00Z', NOW);
  check('2026-11-22T10:00:00+0000', NOW);
  check('2026-11-22T09:30:00.000-0030', NOW);
  for (const none of [undefined, '', 'soon', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-11-22T10:00:00', '2026-11-22T10:00:00+00']) {
    check(none, undefined);
  }
});

test('a session and a log are kept', () => {
  const around = new Host({ remembering: { a: new Uint8Array([1]) } });
  around.run(() => {
    log.warn('look');
    session.put('b', session.get('a'), 60);
  });
  assert.deepEqual([around.logged, [...around.session.keys()]], [['warn: look'], ['a', 'b']]);
});
