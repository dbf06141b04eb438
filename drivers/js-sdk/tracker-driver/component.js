// The component's side: the contract's imports, one HTTP request over `wasi:http`, and the export. Only a component can
// load it. Resources are given back by hand and in order: a child that outlives its parent ends the poll.

import * as credentials from 'tracker:driver/credentials@0.2.0';
import { write as writeLog } from 'tracker:driver/log@0.2.0';
import { get as sessionGet, put as sessionPut } from 'tracker:driver/session@0.2.0';
import { handle } from 'wasi:http/outgoing-handler@0.2.12';
import { Fields, OutgoingBody, OutgoingRequest, httpErrorCode } from 'wasi:http/types@0.2.12';

import {
  DriverError,
  Forbidden,
  InvalidAccount,
  NotSet,
  Throttled,
  Unauthorized,
  Unavailable,
  UnexpectedAnswer,
  asDriverError,
} from './errors.js';
import { setHost } from './host.js';
import { checkedInstance, checkedPage, checkedRealm } from './model.js';

/** How much is asked for at once, in bytes: the host gives what has come, up to this. */
const READ = 256n * 1024n;

const METHODS = { GET: { tag: 'get' }, POST: { tag: 'post' }, PUT: { tag: 'put' }, DELETE: { tag: 'delete' } };

/** Calls a function of the host's that may refuse; `refused` makes the driver's error of what it gave. */
function tried(call, refused) {
  try {
    return call();
  } catch (error) {
    throw error && Object.hasOwn(error, 'payload') ? refused(error.payload) : error;
  }
}

function ofCredentials(call) {
  return tried(call, ({ tag, val }) =>
    tag === 'not-set'
      ? new NotSet(`a secret is missing: ${val}`)
      : new InvalidAccount(`a secret can't be used: ${val}`),
  );
}

function dropped(resource) {
  resource[Symbol.dispose ?? Symbol.for('dispose')]?.();
}

function waitFor(pollable) {
  try {
    pollable.block();
  } finally {
    dropped(pollable);
  }
}

function send(method, url, headers, content) {
  const fields = new Fields();
  const add = (name, value) =>
    tried(
      () => fields.append(name, new TextEncoder().encode(value)),
      () => new InvalidAccount(`the header \`${name}\` can't be sent`),
    );
  for (const [name, value] of headers) add(name, value);
  // Said so that the body need not be sent in chunks, which not every provider takes. It is the length as written
  // here; the host, which puts secrets into the body, says the one that it sends.
  const hasBody = content.length > 0 || method === 'POST' || method === 'PUT';
  if (hasBody && !headers.some(([name]) => name.toLowerCase() === 'content-length')) {
    add('content-length', String(content.length));
  }
  const outgoing = new OutgoingRequest(fields);
  tried(
    () => {
      outgoing.setMethod(METHODS[method] ?? { tag: 'other', val: method });
      outgoing.setScheme({ tag: url.scheme === 'http' ? 'HTTP' : 'HTTPS' });
      outgoing.setAuthority(url.authority);
      outgoing.setPathWithQuery(url.pathAndQuery);
    },
    () => new InvalidAccount('not a method, host and path to send to'),
  );
  const body = outgoing.body();
  const future = tried(() => handle(outgoing, undefined), refused);
  written(body, content);
  let answer;
  try {
    waitFor(future.subscribe());
    answer = future.get();
  } finally {
    dropped(future);
  }
  if (answer?.tag !== 'ok') throw new Unavailable('the host gave no answer');
  if (answer.val.tag === 'err') throw refused(answer.val.val);
  const response = answer.val.val;
  const answered = response.headers();
  const got = answered.entries().map(([name, value]) => [name, new TextDecoder().decode(value)]);
  dropped(answered);
  return { status: response.status(), headers: got, pieces: pieces(response) };
}

function written(body, content) {
  try {
    if (content.length > 0) {
      const stream = body.write();
      try {
        let at = 0;
        while (at < content.length) {
          const room = Number(stream.checkWrite());
          if (room === 0) {
            waitFor(stream.subscribe());
            continue;
          }
          stream.write(content.subarray(at, at + room));
          at += room;
        }
      } finally {
        dropped(stream);
      }
    }
    OutgoingBody.finish(body, undefined);
  } catch (error) {
    // A request that is answered or refused before it has been read to its end closes its stream; what matters then is
    // the answer, which is asked for next.
    if (!Object.hasOwn(error, 'payload')) throw error;
  }
}

/** The body of an answer as it comes, piece by piece, none of them empty. */
function* pieces(response) {
  const body = tried(
    () => response.consume(),
    () => new Unavailable("the answer's body can't be read"),
  );
  const stream = body.stream();
  try {
    for (;;) {
      let piece;
      try {
        piece = stream.blockingRead(READ);
      } catch (error) {
        if (!Object.hasOwn(error, 'payload')) throw error;
        if (error.payload.tag === 'closed') return;
        throw brokenOff(error.payload.val);
      }
      if (piece.length > 0) yield piece;
    }
  } finally {
    dropped(stream);
    dropped(body);
    dropped(response);
  }
}

function brokenOff(failure) {
  const code = httpErrorCode(failure);
  const why = code ? inWords(code) : failure.toDebugString();
  dropped(failure);
  return code?.tag === 'HTTP-response-body-size'
    ? new UnexpectedAnswer(why)
    : new Unavailable(`the answer broke off: ${why}`);
}

const DENIED = ['HTTP-request-denied', 'destination-IP-prohibited'];
const MISCONFIGURED = [
  'HTTP-request-URI-invalid',
  'HTTP-request-URI-too-long',
  'HTTP-request-method-invalid',
  'configuration-error',
];
const NOT_UNDERSTOOD = [
  'HTTP-protocol-error',
  'HTTP-response-header-section-size',
  'HTTP-response-header-size',
  'HTTP-response-body-size',
  'HTTP-response-transfer-coding',
  'HTTP-response-content-coding',
  'loop-detected',
];

/** Why a request came to nothing, as the contract's error. */
function refused(code) {
  if (DENIED.includes(code.tag)) return new InvalidAccount('the host did not let the request through');
  if (MISCONFIGURED.includes(code.tag)) return new InvalidAccount(inWords(code));
  if (NOT_UNDERSTOOD.includes(code.tag)) return new UnexpectedAnswer(inWords(code));
  return new Unavailable(inWords(code));
}

/** What happened, for the operator who reads the error. */
const WORDS = {
  'DNS-timeout': 'its name does not resolve',
  'DNS-error': 'its name does not resolve',
  'destination-not-found': 'its name does not resolve',
  'connection-refused': 'no connection could be made',
  'destination-unavailable': 'no connection could be made',
  'connection-timeout': 'no connection could be made in time',
  'connection-terminated': 'the connection broke off',
  'HTTP-response-incomplete': 'the answer broke off',
  'connection-read-timeout': 'no answer came in time',
  'HTTP-response-timeout': 'no answer came in time',
  'TLS-protocol-error': 'no secure connection could be made',
  'TLS-certificate-error': 'no secure connection could be made',
  'TLS-alert-received': 'no secure connection could be made',
  'HTTP-response-body-size': 'the answer is larger than the host lets through',
  'HTTP-response-content-coding': 'the answer is compressed in a way that the host does not read',
  'HTTP-protocol-error': 'the answer is not HTTP',
};

function inWords(code) {
  return WORDS[code.tag] ?? code.tag;
}

setHost({
  placeholder: (name, encoding) => ofCredentials(() => credentials.placeholder(name, encoding)),
  hmac: (name, hash, prefix, chain, output) =>
    ofCredentials(() => credentials.hmac(name, hash, prefix, chain, output)),
  digest: (hash, message, output) => ofCredentials(() => credentials.digest(hash, message, output)),
  sign: (name, scheme, message, output) => ofCredentials(() => credentials.sign(name, scheme, message, output)),
  matches: (name, text) => ofCredentials(() => credentials.matches(name, text)),
  sessionGet: (key) => sessionGet(key),
  sessionPut: (key, value, lifetimeSeconds) => sessionPut(key, value, lifetimeSeconds),
  log: (level, message) => writeLog(level, message),
  now: () => Date.now(),
  send,
});

/** What the engine throws, which is no `Error`: that would take memory. */
const OUT_OF_MEMORY = 'out of memory';

const TAGS = [
  [Unauthorized, 'unauthorized'],
  [Forbidden, 'forbidden'],
  [Unavailable, 'unavailable'],
  [InvalidAccount, 'invalid-account'],
  [UnexpectedAnswer, 'unexpected-answer'],
];

/** What the contract's export is made of: a driver has `describe`, `listInstances` and `listRealms`. */
export function exported(driver) {
  return {
    describe: () => described(driver),
    listInstances: (account, query) =>
      called(() => driver.listInstances(ofAccount(account), ofQuery(query)), checkedInstance),
    listRealms: (account, query) => called(() => driver.listRealms(ofAccount(account), ofQuery(query)), checkedRealm),
  };
}

/** It has no error to give: what goes wrong ends the sandbox, and the log says why. */
function described(driver) {
  try {
    return driver.describe();
  } catch (error) {
    asDriverError(error);
    throw error;
  }
}

function ofAccount({ provider, endpoint, endpoints, user, secret, secretExpires, options }) {
  return { provider, endpoint, endpoints, user, secret, secretExpires: time(secretExpires), options };
}

function ofQuery({ cursor, changedSince, ids }) {
  return { cursor, changedSince: time(changedSince), ids };
}

/** Milliseconds as a number, which goes far enough for them: `Date` and a driver's own arithmetic take no `bigint`. */
function time(milliseconds) {
  return milliseconds === undefined ? undefined : Number(milliseconds);
}

function called(list, check) {
  try {
    return checkedPage(list(), check);
  } catch (error) {
    // The host knows which limit that was, and says so.
    if (error === OUT_OF_MEMORY) throw error;
    throw ofError(asDriverError(error));
  }
}

/** The contract's variant; what is thrown out of the export is the error of its result. */
function ofError(error) {
  if (error instanceof Throttled) {
    const seconds = error.retryAfter;
    const retryAfter = seconds === undefined ? undefined : Math.min(Math.max(Math.ceil(seconds), 0), 2 ** 32 - 1);
    return { tag: 'throttled', val: { retryAfter, message: error.message } };
  }
  const [, tag] = TAGS.find(([kind]) => error instanceof kind) ?? [DriverError, 'unexpected-answer'];
  return { tag, val: error.message };
}
