// A pretend host, so that a whole driver can be tested under Node: it holds secrets, gives recorded answers in turn, and
// keeps what the driver sent. Import it in tests, never in a driver: it is not there in a component.
//
//     import { Host, account, answer, query } from './tracker-driver/testing.js';
//
//     const host = new Host({ secrets: { password: 's3cret' }, answers: [answer(200, '[]')] });
//     const page = host.run(() => driver.listInstances(account({ endpoint, user: 'me' }), query()));
//     assert.equal(host.sent[0].url, 'https://api.cloud.example/servers');
//
// What a driver throws comes out of `run`; `host.fails(code)` is for tests that expect an error: it gives it back, as
// Tracker would get it.

import { constants, createHash, createHmac, sign } from 'node:crypto';

import { InvalidAccount, NotSet, Unavailable, asDriverError } from './errors.js';
import { setHost } from './host.js';
import { checkedInstance, checkedPage, checkedRealm } from './model.js';
import { encodeQuery } from './urls.js';

/** An account with a password and no options, or with what is said instead. */
export function account(fields = {}) {
  const nothing = { provider: 'main', endpoint: 'https://api.cloud.example', endpoints: [], user: 'me', options: [] };
  return { ...nothing, secret: 'password', secretExpires: undefined, ...fields };
}

/** The query for the first page of everything, or for what is said instead. */
export function query(fields = {}) {
  return { cursor: undefined, changedSince: undefined, ids: [], ...fields };
}

/** A word that stands for a computed value, which is in it. As in the real one there is nothing in it that has to be
 * escaped. */
const COMPUTED = /computed-((?:[0-9a-f]{2})+)-end/g;

/** Characters that XML gives a name, and blanks that a reader would make others of (XML 1.0, 2.11 and 3.3.3). */
const IN_XML = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

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
  #matched;

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

  /** A text with what was computed in the place of the words that stand for it. */
  static computed(text) {
    return text.replaceAll(COMPUTED, (word, value) => Buffer.from(value, 'hex').toString());
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

  /** A message as the real host would send it: each placeholder replaced by what it stands for. */
  #filledIn(message) {
    let text = Host.computed(Buffer.from(message).toString('latin1'));
    for (const [name, secret] of Object.entries(this.secrets)) {
      const query = encodeQuery({ '': secret }).slice(1);
      const forms = {
        raw: secret,
        basic: Buffer.from(`${this.user}:${secret}`).toString('base64'),
        json: JSON.stringify(secret).slice(1, -1),
        form: query,
        xml: secret.replace(/[&<>"'\t\n\r]/g, (character) => IN_XML[character]),
        query,
      };
      for (const [encoding, form] of Object.entries(forms)) {
        const bytes = Buffer.from(form).toString('latin1');
        text = text.replaceAll(`placeholder-${encoding}-${name}-end`, () => bytes);
      }
    }
    return Buffer.from(text, 'latin1');
  }

  hmac(name, hash, prefix, chain, output) {
    if (chain.length === 0) throw new InvalidAccount("a secret can't be used: an empty chain");
    const key = Buffer.concat([prefix, Buffer.from(this.#secret(name))]);
    const over = (last, message) => createHmac(hash, last).update(this.#filledIn(message)).digest();
    return word(chain.reduce(over, key), output);
  }

  digest(hash, message, output) {
    const filledIn = this.#filledIn(message);
    const value = createHash(hash).update(filledIn).digest();
    // What a driver could compute by itself is no secret.
    return filledIn.equals(message) ? written(value, output) : word(value, output);
  }

  sign(name, scheme, message, output) {
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const key = { key: this.#secret(name), ...(scheme === 'ps256' ? pss : {}) };
    return word(sign('sha256', this.#filledIn(message), key), output);
  }

  matches(name, text) {
    const asked = JSON.stringify([name, text]);
    if ((this.#matched ??= asked) !== asked) {
      throw new InvalidAccount("a secret can't be used: it is compared with one text in a poll, and no more");
    }
    return this.#secret(name) === text;
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

function word(value, output) {
  return `computed-${Buffer.from(written(value, output)).toString('hex')}-end`;
}

function written(value, output) {
  if (output !== 'base64-query') return value.toString(output);
  return encodeQuery({ '': value.toString('base64') }).slice(1);
}

function* pieces({ body, piece, broken }) {
  for (let at = 0; at < body.length; at += piece) yield body.subarray(at, at + piece);
  if (broken !== undefined) throw new Unavailable(`the answer broke off: ${broken}`);
}
