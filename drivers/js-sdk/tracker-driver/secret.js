// How a driver uses secrets that it never sees. A secret is named `password`, or as the secret option that it was given
// in.

import { NotSet } from './errors.js';
import { host } from './host.js';

export const PASSWORD = 'password';

/** A word that stands for a secret in this poll; `encoding` is `raw`, `basic`, `json` or `form`. Put it in a header or a
 * body: Tracker puts the secret in its place on the way to an endpoint that was granted. */
export function placeholder(name = PASSWORD, encoding = 'raw') {
  return host().placeholder(name, encoding);
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

/** HMAC-SHA256 with `prefix` and the secret behind it as the key, over the first message of `chain`, then over each
 * further one with the result before as the key. Everything is bytes. */
export function hmacSha256(name, prefix, chain) {
  return host().hmacSha256(name, prefix, chain);
}

/** SHA-256 of bytes in which placeholders stand for secrets. */
export function digestSha256(message) {
  return host().digestSha256(message);
}

/** Signs with RSASSA-PKCS1-v1_5 and SHA-256, where the secret is an RSA private key in PEM. */
export function signRs256(name, message) {
  return host().signRs256(name, message);
}
