// Secrets: the words that stand for them, and for what is computed with them.

import assert from 'node:assert/strict';
import { constants, createHash, createHmac, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';

import { InvalidAccount, NotSet, Request, secret } from '../tracker-driver/index.js';
import { Host, answer } from '../tracker-driver/testing.js';

const SECRET = 'a b"c<&\'/\n';
const around = () => new Host({ secrets: { password: SECRET, key: 'k' }, user: 'mockuser' });
const run = (code) => around().run(code);

test('each encoding has a word that stands for the secret so written', () => {
  const meant = {
    raw: SECRET,
    basic: Buffer.from(`mockuser:${SECRET}`).toString('base64'),
    json: 'a b\\"c<&\'/\\n',
    form: 'a%20b%22c%3C%26%27%2F%0A',
    xml: 'a b&quot;c&lt;&amp;&apos;/&#10;',
    query: 'a%20b%22c%3C%26%27%2F%0A',
  };
  const words = new Set();
  for (const [encoding, text] of Object.entries(meant)) {
    const word = run(() => secret.placeholder('password', encoding));
    words.add(word);
    // A digest is of what is sent.
    const digest = run(() => secret.digest('sha256', `<${word}>`, 'hex'));
    assert.equal(Host.computed(digest), createHash('sha256').update(`<${text}>`).digest('hex'), encoding);
  }
  assert.equal(words.size, 6);
});

test('a word stands in headers, bodies and queries as it is', () => {
  const host = new Host({ secrets: { password: SECRET }, answers: [answer(200)] });
  const [key, signature] = host.run(() => {
    const key = secret.placeholder('password', 'query');
    const signature = secret.hmac('password', 'sha1', ['text'], 'base64-query');
    Request.get('https://h/').query({ Key: key, Signature: signature }).send();
    return [key, signature];
  });
  const [{ url }] = host.sent;
  assert.equal(url, `https://h/?Key=${key}&Signature=${signature}`);
  assert.ok(Host.computed(url).endsWith('%3D'), 'escaped once');
});

test('what is not set is undefined, or for the operator', () => {
  assert.equal(run(() => secret.optionalPlaceholder('other')), undefined);
  for (const use of [
    () => secret.placeholder('other'),
    () => secret.hmac('other', 'sha1', ['text'], 'hex'),
    () => secret.sign('other', 'rs256', 'text', 'hex'),
    () => secret.matches('other', 'text'),
  ]) {
    const error = around().fails(use);
    assert.ok(error instanceof NotSet && error.message.includes('`other`'), error.message);
  }
});

test('an HMAC is chained with each hash, in each form', () => {
  for (const hash of ['sha1', 'sha256', 'sha512']) {
    const key = createHmac(hash, `AWS4${SECRET}`).update('day').digest();
    const value = createHmac(hash, key).update('text').digest();
    const base64 = value.toString('base64');
    const forms = {
      hex: value.toString('hex'),
      base64,
      base64url: base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
      'base64-query': base64.replaceAll('+', '%2B').replaceAll('/', '%2F').replaceAll('=', '%3D'),
    };
    for (const [output, text] of Object.entries(forms)) {
      const word = run(() => secret.hmac('password', hash, ['day', new TextEncoder().encode('text')], output, 'AWS4'));
      assert.notEqual(word, text, 'the driver has a word, and not the value');
      assert.equal(Host.computed(word), text, `${hash} ${output}`);
    }
  }
  assert.ok(around().fails(() => secret.hmac('key', 'sha1', [], 'hex')) instanceof InvalidAccount);
});

test('a digest without a placeholder is the digest itself', () => {
  for (const hash of ['sha1', 'sha256', 'sha512']) {
    assert.equal(run(() => secret.digest(hash, 'text', 'hex')), createHash(hash).update('text').digest('hex'));
  }
});

test('what is computed can be signed again', () => {
  const use = (plain) =>
    run(() => {
      const digest = secret.digest('sha1', secret.placeholder(), 'hex');
      return secret.hmac('key', 'sha256', [plain ? Host.computed(digest) : digest], 'base64');
    });
  assert.equal(use(false), use(true));
});

test('an RSA key signs in both schemes', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const host = new Host({ secrets: { key: privateKey.export({ type: 'pkcs8', format: 'pem' }), password: SECRET } });
  const signature = (scheme, message) =>
    Buffer.from(Host.computed(host.run(() => secret.sign('key', scheme, message, 'base64'))), 'base64');
  const pss = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  assert.ok(verify('sha256', Buffer.from('to sign'), publicKey, signature('rs256', 'to sign')));
  assert.ok(verify('sha256', Buffer.from('to sign'), pss, signature('ps256', 'to sign')));
  const word = host.run(() => secret.placeholder());
  assert.ok(verify('sha256', Buffer.from(`<${SECRET}>`), pss, signature('ps256', `<${word}>`)), 'it is of what will be sent');
});

test('a signature is that of the published suite', () => {
  // AWS's get-vanilla.
  const signed = [
    'AWS4-HMAC-SHA256',
    '20150830T123600Z',
    '20150830/us-east-1/service/aws4_request',
    'bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63',
  ];
  const chain = ['20150830', 'us-east-1', 'service', 'aws4_request', signed.join('\n')];
  const host = new Host({ secrets: { password: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' } });
  const word = host.run(() => secret.hmac('password', 'sha256', chain, 'hex', 'AWS4'));
  assert.equal(Host.computed(word), '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31');
});

test('a poll compares a secret with one text', () => {
  const host = new Host({ secrets: { password: 'p' } });
  assert.deepEqual(host.run(() => [secret.matches('password', 'p'), secret.matches('password', 'p')]), [true, true]);
  assert.ok(host.fails(() => secret.matches('password', 'q')) instanceof InvalidAccount);
  assert.equal(new Host({ secrets: { password: 'p' } }).run(() => secret.matches('password', 'q')), false);
});

test('a word that is none of the contract is named', () => {
  for (const [use, words] of [
    [() => secret.placeholder('password', 'base64'), 'no encoding "base64"'],
    [() => secret.hmac('password', 'SHA256', ['a'], 'hex'), 'no hash "SHA256"'],
    [() => secret.digest('md5', 'a', 'hex'), 'no hash "md5"'],
    [() => secret.sign('key', 'es256', 'a', 'hex'), 'no scheme "es256"'],
    [() => secret.hmac('password', 'sha256', 'a', 'hex'), 'a chain is a list'],
    [() => secret.hmac('password', 'sha256', [1], 'hex'), 'a message is text or bytes'],
    [() => secret.digest('sha256', 'a'), 'no output undefined'],
  ]) {
    assert.throws(() => run(use), (error) => error instanceof TypeError && error.message.includes(words), words);
  }
});
