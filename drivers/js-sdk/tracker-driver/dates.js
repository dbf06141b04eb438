// The little that a driver needs of time: now, and the notations that providers write it in. Everything is
// milliseconds since 1970-01-01T00:00:00Z, as in the contract.

import { host } from './host.js';

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The host's clock. */
export function now() {
  return host().now();
}

/** Reads `2026-11-22T10:00:00.123Z`, with any offset (`+0000`, too), and with or without seconds; undefined for anything
 * else. */
export function parseRfc3339(text) {
  const parts = RFC3339.exec(text ?? '');
  if (!parts) return undefined;
  // By number, since to take it apart by name takes a component's engine three times as long.
  const at = since(+parts[1], +parts[2], +parts[3], +parts[4], +parts[5], parts[6] === undefined ? 0 : +parts[6]);
  if (at === undefined) return undefined;
  const decimals = parts[7] === undefined ? 0 : +parts[7].slice(0, 3).padEnd(3, '0');
  const offset = parts[8] === undefined ? 0 : (+parts[9] * 60 + +parts[10]) * 60_000;
  return at + decimals - (parts[8] === '-' ? -offset : offset);
}

/** Reads an HTTP date in any of its three notations (RFC 9110, 5.6.7). */
export function parseHttpDate(text) {
  let day, month, year, clock;
  for (const word of text.trim().split(/[ ,-]+/)) {
    const time = /^(\d\d):(\d\d):(\d\d)$/.exec(word);
    if (time) clock = time.slice(1).map(Number);
    else if (/^\d+$/.test(word)) {
      if (day === undefined) day = +word;
      // Two digits are of RFC 850's time, and so is their pivot.
      else year = word.length > 2 ? +word : +word + (+word < 70 ? 2000 : 1900);
    } else if (MONTHS.includes(word.toLowerCase())) month = MONTHS.indexOf(word.toLowerCase()) + 1;
  }
  if (day === undefined || month === undefined || year === undefined || clock === undefined) return undefined;
  return since(year, month, day, ...clock);
}

function since(year, month, day, hour, minute, second) {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) return undefined;
  // February has 28 days, and 29 where the year says so. `Date` takes years below 100 for others.
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (year < 100 || day > (month === 2 && isLeap ? 29 : DAYS[month - 1])) return undefined;
  // A leap second counts as the one before it.
  return Date.UTC(year, month - 1, day, hour, minute, second === 60 ? 59 : second);
}
