// The little that a driver needs of time: now, and the notations that providers write it in. Everything is
// milliseconds since 1970-01-01T00:00:00Z, as in the contract.

import { host } from './host.js';

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** The host's clock. */
export function now() {
  return host().now();
}

/** Reads `2026-11-22T10:00:00.123Z`, with any offset, and with or without seconds; undefined for anything else. */
export function parseRfc3339(text) {
  const parts = RFC3339.exec(text ?? '');
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second = '0', decimals = '0', sign, hours = '0', minutes = '0'] = parts;
  const at = since(+year, +month, +day, +hour, +minute, +second);
  if (at === undefined) return undefined;
  const offset = (+hours * 60 + +minutes) * 60_000;
  return at + +decimals.slice(0, 3).padEnd(3, '0') - (sign === '-' ? -offset : offset);
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
  // A leap second counts as the one before it.
  const at = Date.UTC(year, month - 1, day, hour, minute, second === 60 ? 59 : second);
  const back = new Date(at);
  const isReal = back.getUTCMonth() === month - 1 && back.getUTCDate() === day && back.getUTCHours() === hour;
  return isReal && back.getUTCMinutes() === minute ? at : undefined;
}
