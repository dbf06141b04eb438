// A small memory of the account's across polls, for what is costly to get again, such as a login's token.

import { host } from './host.js';

/** What was put under `key`, as bytes, where Tracker still has it. */
export function get(key) {
  return host().sessionGet(key);
}

/** Keeps bytes, 16 KiB at most, for so many seconds. */
export function put(key, value, lifetimeSeconds) {
  host().sessionPut(key, value, lifetimeSeconds);
}
