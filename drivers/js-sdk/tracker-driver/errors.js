// The contract's errors: throw one, and Tracker knows what to do about it. A message is for the operator: what was
// asked, what came back. It is bounded, for some of it was written by a provider.

import { host } from './host.js';

/** How much of a provider's own words is quoted in a message, in bytes. */
const QUOTED = 300;

/** Why there is no page. One of its kinds is thrown, never this itself. */
export class DriverError extends Error {
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }

  /** The same error, with what was being done put before its message. */
  during(what) {
    this.message = `${what}: ${this.message}`;
    return this;
  }
}

/** The provider said that it does not accept the credentials. Its word, not a guess. */
export class Unauthorized extends DriverError {}

/** It accepts the credentials, and refuses them this request. */
export class Forbidden extends DriverError {}

/** It asks for fewer requests, for so many seconds where it says so. Never sleep: Tracker waits. */
export class Throttled extends DriverError {
  constructor(message, retryAfter) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** It could not be reached, broke off, or says that the fault is its own (5xx). */
export class Unavailable extends DriverError {}

/** The account is not usable as configured: an option or a secret is missing or malformed. */
export class InvalidAccount extends DriverError {
  /** An option that can't be used; `accepted` completes the sentence "it has to be ...". */
  static badOption(name, value, accepted) {
    return new InvalidAccount(`the option \`${name}\` is \`${quote(value)}\`: it has to be ${accepted}`);
  }
}

/** The account has no secret of that name. */
export class NotSet extends InvalidAccount {}

/** It answered with something that this driver does not understand. */
export class UnexpectedAnswer extends DriverError {}

/** The beginning of what a provider wrote, text or bytes, on one line and some 300 bytes long at most. */
export function quote(words) {
  const bytes = typeof words === 'string' ? new TextEncoder().encode(words) : words;
  const text = new TextDecoder().decode(bytes.subarray(0, QUOTED));
  const line = text.split(/[\s\u0000-\u001f\u007f-\u009f]+/).join(' ').trim();
  return bytes.length > QUOTED ? `${line}...` : line;
}

/** What any error means to Tracker. One that is none of the contract's is a mistake in the driver, which the answer brought
 * to light: it is named with its place, and how it got there goes to the log. */
export function asDriverError(error) {
  if (error instanceof DriverError) return error;
  const what = quote(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  // Engines write stacks each in their own way: SpiderMonkey without the message, Node with it on the first line.
  const lines = error instanceof Error ? String(error.stack).split('\n') : [];
  const places = lines.map((line) => line.trim()).filter((line) => /:\d+:\d+\)?$/.test(line));
  host().log('error', `the driver failed on what it got: ${what}; it got there by ${places.join(' < ')}`);
  return new UnexpectedAnswer(`the driver failed on what it got: ${what} (${quote(places[0] ?? 'no place known')})`);
}
