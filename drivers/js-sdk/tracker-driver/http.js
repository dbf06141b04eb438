// HTTP for a driver: one request, one answer, its body read as it comes. Tracker pools the connections, decides what may
// be reached and puts secrets in their place. Redirects are not followed: they are answers like any other.

import * as dates from './dates.js';
import {
  DriverError,
  Forbidden,
  Throttled,
  Unauthorized,
  Unavailable,
  UnexpectedAnswer,
  quote,
} from './errors.js';
import { Fields } from './fields.js';
import { host } from './host.js';
import { readJson } from './json.js';
import { PASSWORD, placeholder } from './secret.js';
import { encodeQuery, parseUrl } from './urls.js';

/** How much of an error's body is read, in bytes: the rest is not worth waiting for. */
const BEGINNING = 16 * 1024;

/** The largest body that is read at once, in bytes: as objects JSON takes several times its length, and a sandbox has
 * 64 MiB. */
const MOST_BYTES = 8 << 20;

/** A request being put together: each method gives it back. Nothing is sent before `send`. */
export class Request {
  constructor(method, url) {
    this.method = method;
    this.url = url;
    this.headers = [];
    this.content = new Uint8Array();
  }

  static get(url) {
    return new Request('GET', url);
  }

  static post(url) {
    return new Request('POST', url);
  }

  /** Adds names and values behind the address's question mark, escaped. */
  query(fields) {
    const query = encodeQuery(fields);
    if (query) this.url += (this.url.includes('?') ? '&' : '?') + query;
    return this;
  }

  /** Adds a header; one that stands already is kept beside it. */
  header(name, value) {
    this.headers.push([name, value]);
    return this;
  }

  /** `Authorization: Basic` with the account's user and password; Tracker fills them in. */
  basicAuth() {
    return this.header('authorization', `Basic ${placeholder(PASSWORD, 'basic')}`);
  }

  /** `Authorization: Bearer` with the secret of that name; Tracker fills it in. */
  bearer(name = PASSWORD) {
    return this.header('authorization', `Bearer ${placeholder(name, 'raw')}`);
  }

  /** The body as it is, bytes or text; say what it is with a `content-type` header. */
  body(content) {
    this.content = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return this;
  }

  /** A body of names and values, `application/x-www-form-urlencoded`. */
  form(fields) {
    return this.header('content-type', 'application/x-www-form-urlencoded; charset=utf-8').body(encodeQuery(fields));
  }

  /** A JSON body. */
  json(value) {
    return this.header('content-type', 'application/json').body(JSON.stringify(value));
  }

  /** Sends it and waits for the head of the answer. Whatever status came is an answer; see `Response.success`. Not
   * reached at all is `Unavailable`; not allowed to, `InvalidAccount`. */
  send() {
    const url = parseUrl(this.url);
    const asked = `${this.method} ${url.named}`;
    try {
      return new Response(asked, host().send(this.method, url, this.headers, this.content));
    } catch (error) {
      throw error instanceof DriverError ? error.during(asked) : error;
    }
  }
}

/** An answer: its head, and its body yet to be read. */
export class Response {
  #headers;
  #pieces;

  constructor(asked, { status, headers, pieces }) {
    /** What was asked, for messages: method and address without its query. */
    this.asked = asked;
    this.status = status;
    this.#headers = headers;
    this.#pieces = pieces;
  }

  /** The first header of that name, whatever its case. */
  header(name) {
    return this.#headers.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1];
  }

  /** The answer if its status is 2xx, or else the error that the status means is thrown: 401 `Unauthorized`, 403
   * `Forbidden`, 429 and a 503 with Retry-After `Throttled`, other 5xx `Unavailable`, the rest `UnexpectedAnswer`. */
  success() {
    if (this.status >= 200 && this.status < 300) return this;
    throw this.error();
  }

  /** The error that the status means, with the beginning of the body quoted. */
  error() {
    return this.errorQuoting(this.startOfBody());
  }

  /** The beginning of the body as bytes, some 16 KiB at most, whatever comes after it. */
  startOfBody() {
    const pieces = [];
    let length = 0;
    try {
      for (const piece of this.#pieces) {
        pieces.push(piece);
        length += piece.length;
        if (length >= BEGINNING) break;
      }
    } catch (error) {
      // What came before it broke off is enough for a message.
      if (!(error instanceof DriverError)) throw error;
    }
    return joined(pieces, length);
  }

  /** The error that the status means, with the beginning of what is given quoted; `retryAfter` is for providers that
   * say how long to wait in a way of their own, where there is no Retry-After. */
  errorQuoting(start, retryAfter) {
    let message = `${this.asked} answered ${this.status}`;
    const location = this.header('location');
    if (this.status >= 300 && this.status < 400 && location !== undefined) {
      message += `, a redirect to \`${quote(location)}\`, which is not followed`;
    } else if (start.length > 0) {
      message += `: ${quote(start)}`;
    }
    if (this.status === 401) return new Unauthorized(message);
    if (this.status === 403) return new Forbidden(message);
    if (this.status === 429 || (this.status === 503 && this.header('retry-after') !== undefined)) {
      return new Throttled(message, this.retryAfter() ?? retryAfter);
    }
    if (this.status >= 500 && this.status < 600) return new Unavailable(message);
    return new UnexpectedAnswer(message);
  }

  /** `Retry-After` in seconds, whether it is given in seconds or as a date (RFC 9110, 10.2.3). */
  retryAfter() {
    const value = (this.header('retry-after') ?? '').trim();
    if (/^\d+$/.test(value)) return Math.min(Number(value.slice(0, 12)), 2 ** 32 - 1);
    const moment = dates.parseHttpDate(value);
    return moment === undefined ? undefined : Math.ceil(Math.max(moment - dates.now(), 0) / 1000);
  }

  /** The body as it comes, for one too large to be read at once. Ends only where the provider ended it: a body that
   * breaks off, or is shorter than its Content-Length said, is `Unavailable`. */
  *pieces() {
    const length = (this.header('content-length') ?? '').trim();
    // What was unpacked on the way has another length than what was sent.
    const expected = /^\d+$/.test(length) && this.header('content-encoding') === undefined ? Number(length) : 0;
    let received = 0;
    try {
      for (const piece of this.#pieces) {
        received += piece.length;
        yield piece;
      }
    } catch (error) {
      throw error instanceof DriverError ? error.during(this.asked) : error;
    }
    if (received < expected) {
      throw new Unavailable(`${this.asked}: the answer broke off: ${received} bytes came of ${expected}`);
    }
  }

  /** The whole body, of so many bytes at most; a larger one is `UnexpectedAnswer`. */
  bytes(most = MOST_BYTES) {
    const pieces = [];
    let length = 0;
    for (const piece of this.pieces()) {
      pieces.push(piece);
      length += piece.length;
      if (length > most) {
        throw new UnexpectedAnswer(`${this.asked}: the answer has more than ${most} bytes: ask for smaller pages`);
      }
    }
    return joined(pieces, length);
  }

  /** The whole body, which has to be UTF-8. */
  text(most = MOST_BYTES) {
    const body = this.bytes(most);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(body);
    } catch {
      throw new UnexpectedAnswer(`${this.asked}: the answer is not UTF-8`);
    }
  }

  /** The whole body as JSON, to be read by `Fields`; its `value` is what JavaScript makes of it. */
  json(most = MOST_BYTES) {
    const body = this.bytes(most);
    try {
      return new Fields(readJson(body));
    } catch (error) {
      throw error instanceof DriverError ? error.during(this.asked) : error;
    }
  }
}

function joined(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
