// What a driver is told, an account, and what it gives: pages of instances and realms. Everything is a plain object; these
// fill in what was left out.

import { InvalidAccount } from './errors.js';

/** The account's option of that name, where it is set. Secret options are never here. */
export function option(account, name) {
  return account.options.find(([set]) => set === name)?.[1];
}

/** The same; without it the account is `InvalidAccount`. */
export function requiredOption(account, name) {
  const value = option(account, name);
  if (value === undefined) throw new InvalidAccount(`the option \`${name}\` is required and not set`);
  return value;
}

/** A page of a list; `next` is your own cursor to the page behind it, and comes back as `query.cursor`. */
export const page = {
  /** The provider answered with everything that it was asked for. */
  complete: (items, next) => ({ items, next, coverage: { tag: 'complete' } }),
  /** It answered with less, for this reason: what is not on it is not gone. */
  partial: (items, why, next) => ({ items, next, coverage: { tag: 'partial', val: why } }),
  /** Only what changed since `query.changedSince`, for a driver with the feature `delta`, and the ids of what is no more
   * since then, as far as the provider tells. Of one list all pages are a delta, or none. */
  delta: (items, removed = [], next) => ({ items, next, coverage: { tag: 'delta', val: removed } }),
};

/** An instance: `id`, `state` and `providerState`, the provider's own word, and what else is known of it. States are
 * `pending running stopping stopped shutting-down finish error unknown`; times are in milliseconds. */
export function instance(fields) {
  // `??=` rather than a copy: a thousand copies of a dozen fields take a component's engine several milliseconds.
  fields.publicAddresses ??= [];
  fields.privateAddresses ??= [];
  fields.labels ??= [];
  return fields;
}

/** A realm: `id`, `name`, `state` (`available` or `unavailable`), and perhaps `limit`, a number of instances. */
export function realm(fields) {
  return fields;
}

export const address = {
  ipv4: (value) => ({ kind: 'ipv4', value }),
  ipv6: (value) => ({ kind: 'ipv6', value }),
  hostname: (value) => ({ kind: 'hostname', value }),
};

/** What a driver says of itself: `name`, `title` and `version`, and what else there is. */
export function description(fields) {
  const options = (fields.options ?? []).map((option) => ({ required: false, secret: false, ...option }));
  return { providers: [], endpoints: [], features: {}, ...fields, options };
}

const STATES = new Set(['pending', 'running', 'stopping', 'stopped', 'shutting-down', 'finish', 'error', 'unknown']);
const KINDS = new Set(['ipv4', 'ipv6', 'hostname']);
const REALM_STATES = new Set(['available', 'unavailable']);

/** A page of which each item was checked by `check`. */
export function checkedPage(given, check) {
  if (typeof given?.then === 'function') {
    throw new TypeError('the driver gave a promise and no page: its functions can not be `async`');
  }
  if (!Array.isArray(given?.items)) throw new TypeError('the driver gave no page: `page.complete(items)` makes one');
  const { items, next, coverage } = given;
  if (next !== undefined && typeof next !== 'string') throw odd('next', 'a page', next, 'text, or undefined');
  return { items: items.map(check), next, coverage };
}

/** An instance in the contract's own types. What is of another type is told here, where it still has a name: the engine
 * would put it into words (`[object Object]`), or end the whole poll. */
export function checkedInstance(instance) {
  const { id, state, providerState, launchedAt } = instance;
  if (typeof id !== 'string') throw odd('id', 'an instance', id, 'text');
  if (typeof providerState !== 'string') throw odd('providerState', 'an instance', providerState, 'text');
  if (!STATES.has(state)) throw odd('state', 'an instance', state, `one of ${[...STATES].join(' ')}`);
  return {
    id,
    state,
    providerState,
    name: optionalText('name', instance.name),
    owner: optionalText('owner', instance.owner),
    realm: optionalText('realm', instance.realm),
    image: optionalText('image', instance.image),
    hardwareProfile: optionalText('hardwareProfile', instance.hardwareProfile),
    launchedAt: launchedAt === undefined ? undefined : milliseconds(launchedAt),
    publicAddresses: addresses('publicAddresses', instance.publicAddresses ?? []),
    privateAddresses: addresses('privateAddresses', instance.privateAddresses ?? []),
    labels: labels(instance.labels ?? []),
  };
}

/** A realm in the contract's own types. */
export function checkedRealm({ id, name, state, limit }) {
  if (typeof id !== 'string') throw odd('id', 'a realm', id, 'text');
  if (typeof name !== 'string') throw odd('name', 'a realm', name, 'text');
  if (!REALM_STATES.has(state)) throw odd('state', 'a realm', state, `one of ${[...REALM_STATES].join(' ')}`);
  if (limit === undefined) return { id, name, state };
  if (!Number.isSafeInteger(limit) || limit < 0) throw odd('limit', 'a realm', limit, 'a whole number');
  return { id, name, state, limit: BigInt(limit) };
}

function optionalText(name, value) {
  if (value !== undefined && typeof value !== 'string') throw odd(name, 'an instance', value, 'text, or undefined');
  return value;
}

function addresses(name, list) {
  for (let at = 0; at < list.length; at += 1) {
    const { kind, value } = list[at];
    if (!KINDS.has(kind) || typeof value !== 'string') throw odd(name, 'an instance', list, 'made by `address`');
  }
  return list;
}

function labels(list) {
  for (let at = 0; at < list.length; at += 1) {
    const pair = list[at];
    if (typeof pair[0] !== 'string' || typeof pair[1] !== 'string') {
      throw odd('labels', 'an instance', list, 'pairs of texts');
    }
  }
  return list;
}

function milliseconds(value) {
  if (!Number.isFinite(value)) throw odd('launchedAt', 'an instance', value, 'a number of milliseconds, or undefined');
  return BigInt(Math.trunc(value));
}

function odd(field, of, value, expected) {
  const shown = typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
  return new TypeError(`the ${field} of ${of} is ${shown}: it has to be ${expected}`);
}
