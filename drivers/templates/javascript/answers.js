// What the provider's answers mean. There is no HTTP in here, so that recorded answers are all that it takes to test it.

/** @import { Address, Fields, Instance, InstanceState, Page, Realm } from './tracker-driver/index.js' */
import { address, dates, instance, page, realm } from './tracker-driver/index.js';

/**
 * Every word that the provider has for a state. One that is not here is unknown: never a guess, never an error.
 *
 * @type {Map<string, InstanceState>}
 */
export const STATES = new Map([
  ['creating', 'pending'],
  ['running', 'running'],
  ['stopping', 'stopping'],
  ['stopped', 'stopped'],
  ['deleting', 'shutting-down'],
  ['deleted', 'finish'],
  ['failed', 'error'],
]);

/**
 * A page of instances. One that says that something is missing is partial: only a complete list can show the host that an
 * instance is gone.
 *
 * @param {Fields} answer
 * @returns {Page<Instance>}
 */
export function servers(answer) {
  // `objects` has no default: an answer without the list is an error, and not an empty list.
  const items = answer.objects('servers').map(server);
  const next = answer.optionalText('next');
  const unreachable = answer.optionalTexts('unreachable_zones');
  if (unreachable.length === 0) return page.complete(items, next);
  return page.partial(items, `these zones did not answer: ${unreachable.join(', ')}`, next);
}

/**
 * The zones, all on one page.
 *
 * @param {Fields} answer
 * @returns {Page<Realm>}
 */
export function zones(answer) {
  return page.complete(answer.objects('zones').map(zone));
}

/**
 * @param {Fields} server
 * @returns {Instance}
 */
export function server(server) {
  const word = server.text('status');
  return instance({
    id: server.text('id'),
    state: STATES.get(word) ?? 'unknown',
    providerState: word,
    name: server.optionalText('name'),
    realm: server.optionalText('zone'),
    image: server.optionalText('image'),
    hardwareProfile: server.optionalText('size'),
    launchedAt: dates.parseRfc3339(server.optionalText('created_at')),
    publicAddresses: addresses(server.optionalText('public_ip')),
    privateAddresses: addresses(server.optionalText('private_ip')),
    labels: server.optionalPairs('labels'),
  });
}

/**
 * @param {string | undefined} text
 * @returns {Address[]}
 */
function addresses(text) {
  const found = address.read(text);
  return found === undefined ? [] : [found];
}

/**
 * @param {Fields} zone
 * @returns {Realm}
 */
function zone(zone) {
  return realm({
    id: zone.text('id'),
    name: zone.text('name'),
    state: zone.text('status') === 'up' ? 'available' : 'unavailable',
    limit: zone.optionalInteger('max_servers'),
  });
}
