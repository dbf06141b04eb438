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

/** The endpoint of that role, where it is set; it has no slash at the end. */
export function endpointOf(account, role) {
  return account.endpoints.find(([set]) => set === role)?.[1];
}

/** A page of a list; `next` is your own cursor to the page behind it, and comes back as `query.cursor`. What the page says
 * of its numbers stands behind that, where it is known: `total`, how many entries the whole list has, all pages together
 * with those that are omitted; `omitted`, how many entries of this page are of another kind and were left out. */
export const page = {
  /** The provider answered with everything that it was asked for. */
  complete: (items, next, numbers) => made(items, next, { tag: 'complete' }, numbers),
  /** It answered with less, for this reason: what is not on it is not gone. */
  partial: (items, why, next, numbers) => made(items, next, { tag: 'partial', val: why }, numbers),
  /** Only what changed since `query.changedSince`, for a driver with the feature `delta`, and the ids of what is no more
   * since then, as far as the provider tells. Of one list all pages are a delta, or none. */
  delta: (items, removed = [], next, numbers) => made(items, next, { tag: 'delta', val: removed }, numbers),
};

function made(items, next, coverage, { total, omitted = 0 } = {}) {
  return { items, next, coverage, total, omitted };
}

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
  /** A text as what it is, whatever the provider calls it: Tracker takes no address for one of another kind. Undefined
   * where it is empty, or the unspecified address, by which some providers say that there is none. */
  read(text) {
    const value = (text ?? '').trim();
    if (IPV4.test(value)) return value === '0.0.0.0' ? undefined : address.ipv4(value);
    if (isIpv6(value)) return /^[0:.]*$/.test(value) ? undefined : address.ipv6(value);
    return value ? address.hostname(value) : undefined;
  },
};

/** Four numbers up to 255, none with a zero before it, which some readers take for octal. */
const IPV4 = /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/** RFC 4291, 2.2. One with a zone is none: it belongs to one machine's interfaces. */
function isIpv6(text) {
  if (!text.includes(':')) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [place, half] of halves.entries()) {
    const parts = half === '' ? [] : half.split(':');
    const last = parts.length - 1;
    for (const [at, part] of parts.entries()) {
      if (/^[0-9a-f]{1,4}$/i.test(part)) groups += 1;
      // The last two groups may be written as IPv4 is.
      else if (place === halves.length - 1 && at === last && IPV4.test(part)) groups += 2;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

/** What a driver says of itself: `name`, `title` and `version`, and what else there is. `roles` are the parts of the
 * provider that have endpoints of their own; `secrets` are the kinds that the account's secret may be (`password`,
 * `private-key`, `access-token`), and none is `password`; `features` are `delta` and `byId`. */
export function description(fields) {
  const providers = (fields.providers ?? []).map((provider) => ({ endpoints: [], ...provider }));
  const options = (fields.options ?? []).map((option) => ({ required: false, secret: false, ...option }));
  const roles = (fields.roles ?? []).map((role) => ({ required: false, ...role }));
  return { endpoints: [], secrets: [], features: {}, ...fields, providers, options, roles };
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
  const { items, next, coverage, total, omitted } = given;
  if (next !== undefined && typeof next !== 'string') throw odd('next', 'a page', next, 'text, or undefined');
  if (coverage?.tag === 'partial' && typeof coverage.val !== 'string') {
    throw odd('reason', 'a partial page', coverage.val, 'text');
  }
  return {
    items: items.map(check),
    next,
    coverage,
    total: count('total', 'a page', total),
    omitted: count('omitted', 'a page', omitted) ?? 0n,
  };
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
  return { id, name, state, limit: count('limit', 'a realm', limit) };
}

function count(name, of, value) {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < 0) throw odd(name, of, value, 'a whole number, or undefined');
  return BigInt(value);
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
