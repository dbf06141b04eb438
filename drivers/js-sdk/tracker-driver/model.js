// What a driver gives: pages of instances and realms. Everything is a plain object; these fill in what was left out.

/** A page of a list; `next` is your own cursor to the page behind it, and comes back as `query.cursor`. */
export const page = {
  /** The provider answered with everything that it was asked for. */
  complete: (items, next) => ({ items, next, coverage: { tag: 'complete' } }),
  /** It answered with less, for this reason: what is not on it is not gone. */
  partial: (items, why, next) => ({ items, next, coverage: { tag: 'partial', val: why } }),
  /** Only what changed since `query.changedSince`, for a driver with the feature `delta`. */
  delta: (items, next) => ({ items, next, coverage: { tag: 'delta' } }),
};

/** An instance: `id`, `state` and `providerState`, the provider's own word, and what else is known of it. States are
 * `pending running stopping stopped shutting-down finish error unknown`; times are in milliseconds. */
export function instance(fields) {
  return { publicAddresses: [], privateAddresses: [], labels: [], ...fields };
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
  return { providers: [], endpoints: [], options: [], features: {}, ...fields };
}
