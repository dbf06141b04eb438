// What Hetzner Cloud's answers mean. No HTTP here: everything takes what was answered and gives what it says.

import { UnexpectedAnswer, address, dates, instance, page, realm } from '../js-sdk/tracker-driver/index.js';

const STATES = {
  initializing: 'pending',
  starting: 'pending',
  running: 'running',
  stopping: 'stopping',
  off: 'stopped',
  deleting: 'shutting-down',
  // It is moved to another host, or given another image: it was on or off before and is so after it, and the API does
  // not say which. Never guess.
  migrating: 'unknown',
  rebuilding: 'unknown',
  unknown: 'unknown',
};

/** How many requests an account has in an hour, unless `RateLimit-Limit` says another number. */
const USUAL_LIMIT = 3600;
/** As many requests as are worth coming back for: 3,000 servers. */
const ENOUGH = 60;

/** How far a list has been read, which is what a cursor holds. Pages are numbered, so that a list that changes while it
 * is read slips under the reader: what is listed twice does no harm, what is skipped would look gone. */
export function placeOf(cursor) {
  if (cursor === undefined) return { page: 1, listed: 0, total: undefined, changed: false };
  const [page, listed, total, changed] = cursor.split('/').map(Number);
  return { page, listed, total, changed: changed === 1 };
}

function cursorOf({ page, listed, total, changed }) {
  return `${page}/${listed}/${total}/${changed ? 1 : 0}`;
}

/** One page of the list named `what`. */
export function pageOf(answer, what, read, place) {
  const items = answer.objects(what).map(read);
  const pagination = answer.object('meta').object('pagination');
  const next = pagination.optionalInteger('next_page');
  const total = pagination.optionalInteger('total_entries');
  const listed = place.listed + items.length;
  const changed = place.changed || (place.total !== undefined && place.total !== total);
  if (next !== undefined) {
    if (items.length === 0) throw new UnexpectedAnswer(`page ${place.page} has no ${what}, and yet there is a next one`);
    // The number is counted here: whatever stands there leads nowhere else, and not in a circle.
    return page.complete(items, cursorOf({ page: place.page + 1, listed, total, changed }));
  }
  if (changed) return page.partial(items, `the number of ${what} changed while they were listed, to ${total}`);
  if (total !== undefined && listed < total) return page.partial(items, `${listed} ${what} were listed of ${total}`);
  return page.complete(items);
}

export function server(server) {
  const status = server.text('status');
  const publicNet = server.optionalObject('public_net');
  return instance({
    id: String(server.integer('id')),
    name: server.optionalText('name'),
    state: Object.hasOwn(STATES, status) ? STATES[status] : 'unknown',
    providerState: status,
    realm: locationOf(server),
    image: imageOf(server.optionalObject('image')),
    hardwareProfile: server.optionalObject('server_type').optionalText('name'),
    launchedAt: dates.parseRfc3339(server.optionalText('created')),
    publicAddresses: [ipv4(publicNet.optionalObject('ipv4')), ipv6(publicNet.optionalObject('ipv6'))].filter(isThere),
    privateAddresses: server.optionalObjects('private_net').map(ipv4).filter(isThere),
    labels: server.optionalPairs('labels'),
  });
}

/** Newer answers have it in the server itself, older ones in its datacenter. */
function locationOf(server) {
  const here = server.optionalObject('location').optionalText('name');
  return here ?? server.optionalObject('datacenter').optionalObject('location').optionalText('name');
}

/** Images of the system have a name, by which servers are made from them; snapshots and backups only a number. */
function imageOf(image) {
  const number = image.optionalInteger('id');
  return image.optionalText('name') ?? (number === undefined ? undefined : String(number));
}

function isThere(address) {
  return address !== undefined;
}

function ipv4(network) {
  const ip = network.optionalText('ip');
  return ip ? address.ipv4(ip) : undefined;
}

/** A server is given a whole network, `2001:db8::/64`, and has the first address in it. */
function ipv6(network) {
  const ip = network.optionalText('ip');
  if (!ip) return undefined;
  return address.ipv6(ip.endsWith('::/64') ? `${ip.slice(0, -3)}1` : ip.split('/')[0]);
}

/** A location. The API lists those that there are, and has no word for one that is out of order. */
export function location(location) {
  const name = location.text('name');
  return realm({ id: name, name: location.optionalText('description') ?? name, state: 'available' });
}

/** What an error's body says, `code: message`; the body itself where it is none of the API's. */
export function message(body) {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body));
    if (typeof error?.message === 'string') {
      return typeof error.code === 'string' && error.code ? `${error.code}: ${error.message}` : error.message;
    }
  } catch {
    // It is quoted as it is.
  }
  return body;
}

/** How long to wait in seconds. `RateLimit-Reset` is the Unix second at which all requests of an hour are there again,
 * which is an hour after they were spent; they come back one by one, and a list needs but few of them. */
export function wait(reset, limit, now) {
  const whole = /^\d{1,12}$/.test(reset ?? '') ? Number(reset) - Math.floor(now / 1000) : -1;
  if (whole < 0) return undefined;
  const anHour = /^[1-9]\d{0,8}$/.test(limit ?? '') ? Number(limit) : USUAL_LIMIT;
  return Math.min(whole, Math.ceil((ENOUGH * 3600) / anHour));
}
