// How a driver uses secrets that it never sees. A secret is named `password`, or as the secret option that it was given
// in.
//
// What comes back is a placeholder: a word that stands, in this poll alone, for the secret or for a value that Tracker
// computes with it. Put the word into a header, a body or a query. Tracker puts the value in its place on the way to an
// endpoint that was granted, and nowhere else: not in a path, not in the log, not in a list.
//
//     request.header('x-signature', secret.hmac('password', 'sha256', [method + path], 'base64'));
//
// Messages are text, which is taken as UTF-8, or bytes. They may have placeholders in them, of secrets and of computed
// values: Tracker computes with what the words stand for. Each function throws `NotSet` where the account has no secret
// of that name, and `InvalidAccount` where the secret can't be used so. A poll has at most 1,024 placeholders; a call
// takes at most 64 messages.

import { NotSet } from './errors.js';
import { host } from './host.js';

export const PASSWORD = 'password';

const ENCODINGS = ['raw', 'basic', 'json', 'form', 'xml', 'query'];
const OUTPUTS = ['hex', 'base64', 'base64url', 'base64-query'];
const HASHES = ['sha1', 'sha256', 'sha512'];
const SCHEMES = ['rs256', 'ps256'];

/** A word that stands for a secret; `encoding` is how the secret is written in its place: `raw` as it is, `basic` as base64
 * of `user:secret`, `json` between the quotes of a JSON string, `form` in a form, `xml` in XML, `query` in the query of a
 * URL, where Tracker replaces no other. */
export function placeholder(name = PASSWORD, encoding = 'raw') {
  return host().placeholder(name, known('encoding', ENCODINGS, encoding));
}

/** The same, or undefined where the account has no secret of that name. */
export function optionalPlaceholder(name, encoding = 'raw') {
  try {
    return placeholder(name, encoding);
  } catch (error) {
    if (error instanceof NotSet) return undefined;
    throw error;
  }
}

/** A word that stands for an HMAC, keyed with `prefix` and the secret behind it, over the first message of `chain`; then
 * over each further message, keyed with the result before. `hash` is `sha1`, `sha256` or `sha512`; `output` is how the
 * value goes out: `hex`, `base64`, `base64url` (without padding, as JWTs have it), or `base64-query` (percent-encoded for a
 * query or a form). With `sha256`, the prefix `AWS4` and the chain date, region, service, `aws4_request`, string to sign it
 * is a signature of AWS version 4. A chain without messages is `InvalidAccount`. */
export function hmac(name, hash, chain, output, prefix = '') {
  if (!Array.isArray(chain)) throw new TypeError('a chain is a list of messages, not a message');
  known('hash', HASHES, hash);
  known('output', OUTPUTS, output);
  return host().hmac(name, hash, bytes(prefix), chain.map(bytes), output);
}

/** The digest of a message as it will be sent, each value in its placeholder's place: what signatures cover in which a
 * placeholder stands. A word that stands for it; or the digest itself, of a message without placeholders. */
export function digest(hash, message, output) {
  return host().digest(known('hash', HASHES, hash), bytes(message), known('output', OUTPUTS, output));
}

/** A word that stands for a signature, where the secret is an RSA private key in PEM (PKCS#8 or PKCS#1). `scheme` is
 * `rs256` (RSASSA-PKCS1-v1_5 with SHA-256) or `ps256` (RSASSA-PSS with SHA-256 and a salt of 32 bytes). */
export function sign(name, scheme, message, output) {
  return host().sign(name, known('scheme', SCHEMES, scheme), bytes(message), known('output', OUTPUTS, output));
}

/** Whether the secret is this text: for a driver that stands for a provider itself and asks nobody. A poll has one answer;
 * any other text is `InvalidAccount` in it. */
export function matches(name, text) {
  return host().matches(name, text);
}

function bytes(message) {
  if (message instanceof Uint8Array) return message;
  if (typeof message === 'string') return new TextEncoder().encode(message);
  throw new TypeError('a message is text or bytes');
}

/** The word itself, if it is one of these. In a component the engine would end the poll, and name nothing. */
function known(what, words, word) {
  if (words.includes(word)) return word;
  throw new TypeError(`there is no ${what} ${JSON.stringify(word)}; there are ${words.join(' ')}`);
}
