// A small memory of the account's across polls, for what is costly to get again, such as a login's token. Tracker keeps it
// sealed, over restarts too. It may forget any of it at any time, and does when the account's credentials, endpoints or
// options change: a driver that finds nothing logs in again.

import { host } from './host.js';

/** What was put under `key`, as bytes, where Tracker still has it. */
export function get(key) {
  return host().sessionGet(key);
}

/** Keeps bytes for so many seconds. More than 16 KiB, or behind 16 other keys of the account, they are not kept. */
export function put(key, value, lifetimeSeconds) {
  host().sessionPut(key, value, lifetimeSeconds);
}
