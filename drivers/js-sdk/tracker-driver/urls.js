// Addresses, as far as a driver needs them: taken apart as they will be sent, and put together with the right escapes.

import { InvalidAccount, quote } from './errors.js';

/** Takes an `http` or `https` address apart; anything else is `InvalidAccount`, for endpoints are configured. */
export function parseUrl(url) {
  const wrong = (what) => new InvalidAccount(`\`${quote(url)}\` is not an address: ${what}`);
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/.exec(url);
  if (!parts) throw wrong('it has no scheme');
  const scheme = parts[1].toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') throw wrong('its scheme is neither http nor https');
  if (parts[2].includes('@')) throw wrong('user and password belong in the account, not in it');
  const authority = parts[2].toLowerCase().replace(scheme === 'http' ? /:80$/ : /:443$/, '');
  if (!/^[a-z0-9\-._[\]%~][a-z0-9\-._:[\]%~]*$/.test(authority)) throw wrong('it names no host');
  if (/[\u0000-\u0020\u007f]/.test(parts[3])) throw wrong('a space or control character has to be escaped');
  const pathAndQuery = parts[3].startsWith('/') ? parts[3] : `/${parts[3]}`;
  // For messages: without the query, which may be long, and where some put keys.
  const named = `${scheme}://${authority}${pathAndQuery.split('?', 1)[0]}`;
  return { scheme, authority, pathAndQuery, named };
}

/** Names and values for a query: `a=1&b=x%20y`. Everything but RFC 3986's unreserved characters is escaped. */
export function encodeQuery(fields) {
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields);
  return pairs.map(([name, value]) => `${escape(name)}=${escape(value)}`).join('&');
}

/** A path with its slashes kept and all else but unreserved characters escaped. */
export function encodePath(path) {
  return path.split('/').map(escape).join('/');
}

function escape(text) {
  const escaped = encodeURIComponent(String(text).toWellFormed?.() ?? String(text));
  return escaped.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
