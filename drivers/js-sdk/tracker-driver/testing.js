// A pretend host, so that a whole driver can be tested under Node: it holds secrets, gives recorded answers in turn, and
// keeps what the driver sent. Import it in tests, never in a driver: it is not there in a component.
//
//     import { Host, answer } from './tracker-driver/testing.js';
//
//     const host = new Host({ secrets: { password: 's3cret' }, answers: [answer(200, '[]')] });
//     const page = host.run(() => driver.listInstances(account, {}));
//     assert.equal(host.sent[0].url, 'https://api.cloud.example/servers');
//
// What a driver throws comes out of `run`; `host.fails(code)` is for tests that expect an error: it gives it back, as
// Tracker would get it.

import { createHash, createHmac, createSign } from 'node:crypto';

import { InvalidAccount, NotSet, Unavailable, asDriverError } from './errors.js';
import { setHost } from './host.js';
import { checkedInstance, checkedPage, checkedRealm } from './model.js';

/** One answer of the provider: `broken` is why there is no end behind the body, `piece` how many bytes come at once. */
export function answer(status, body = '', headers = {}, { broken, piece = 64 * 1024 } = {}) {
  const isText = typeof body === 'string' || body instanceof Uint8Array;
  const type = isText ? {} : { 'Content-Type': 'application/json' };
  const content = isText ? body : JSON.stringify(body);
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { status, body: bytes, headers: { ...type, ...headers }, broken, piece };
}

/** What a driver under test finds around it. A request that no answer is left for is `Unavailable`. */
export class Host {
  /** What was sent: method, url, headers as pairs, body as text. Placeholders stand where secrets would have been. */
  sent = [];
  logged = [];

  constructor({ answers = [], secrets = {}, user = '', now, remembering = {} } = {}) {
    this.answers = [...answers];
    this.secrets = secrets;
    this.user = user;
    this.time = now;
    /** What is kept for the next poll. */
    this.session = new Map(Object.entries(remembering));
  }

  /** Runs a driver's code with this host around it. A page that it gives is checked as it is on its way to Tracker. */
  run(code) {
    const before = setHost(this);
    try {
      const given = code();
      if (given && Object.hasOwn(given, 'items')) {
        checkedPage(given, (item) => ('providerState' in item ? checkedInstance : checkedRealm)(item));
      }
      return given;
    } finally {
      setHost(before);
    }
  }

  /** Runs a driver's code, which has to fail; gives the error as Tracker would get it. */
  fails(code) {
    try {
      this.run(code);
    } catch (error) {
      const before = setHost(this);
      try {
        return asDriverError(error);
      } finally {
        setHost(before);
      }
    }
    throw new Error('it did not fail');
  }

  /** The word that stands for a secret. Not unguessable, as the real one is: a test has to know it. */
  placeholder(name, encoding) {
    this.#secret(name);
    return `placeholder-${encoding}-${name}-end`;
  }

  #secret(name) {
    const secret = this.secrets[name];
    if (secret === undefined) throw new NotSet(`a secret is missing: \`${name}\``);
    return secret;
  }

  hmacSha256(name, prefix, chain) {
    if (chain.length === 0) throw new InvalidAccount("a secret can't be used: an empty chain");
    const key = Buffer.concat([Buffer.from(prefix), Buffer.from(this.#secret(name))]);
    return new Uint8Array(chain.reduce((last, message) => createHmac('sha256', last).update(message).digest(), key));
  }

  digestSha256(message) {
    let text = Buffer.from(message).toString('latin1');
    for (const [name, secret] of Object.entries(this.secrets)) {
      const forms = {
        raw: secret,
        basic: Buffer.from(`${this.user}:${secret}`).toString('base64'),
        json: JSON.stringify(secret).slice(1, -1),
        form: encodeURIComponent(secret),
      };
      for (const [encoding, form] of Object.entries(forms)) {
        text = text.replaceAll(`placeholder-${encoding}-${name}-end`, Buffer.from(form).toString('latin1'));
      }
    }
    return new Uint8Array(createHash('sha256').update(Buffer.from(text, 'latin1')).digest());
  }

  signRs256(name, message) {
    return new Uint8Array(createSign('RSA-SHA256').update(message).sign(this.#secret(name)));
  }

  sessionGet(key) {
    return this.session.get(key);
  }

  sessionPut(key, value) {
    this.session.set(key, value);
  }

  log(level, message) {
    this.logged.push(`${level}: ${message}`);
  }

  now() {
    return this.time ?? Date.now();
  }

  send(method, url, headers, content) {
    const { scheme, authority, pathAndQuery } = url;
    const body = new TextDecoder().decode(content);
    this.sent.push({ method, url: `${scheme}://${authority}${pathAndQuery}`, headers: [...headers], body });
    const next = this.answers.shift();
    if (!next) throw new Unavailable('the test has no answer for it');
    return { status: next.status, headers: Object.entries(next.headers), pieces: pieces(next) };
  }
}

function* pieces({ body, piece, broken }) {
  for (let at = 0; at < body.length; at += piece) yield body.subarray(at, at + piece);
  if (broken !== undefined) throw new Unavailable(`the answer broke off: ${broken}`);
}
