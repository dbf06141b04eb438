// A driver that uses the whole of the contract through the JavaScript SDK, and tells what it was told: what the SDK's own
// tests pretend is true of it in a sandbox, too. The one in Python beside it does the same.

import {
  InvalidAccount,
  Request,
  address,
  description,
  endpointOf,
  instance,
  option,
  page,
  realm,
  secret,
  session,
} from './tracker-driver/index.js';

export const driver = {
  describe: () =>
    description({
      name: 'whole',
      title: 'Whole',
      version: '0.1.0',
      providers: [
        {
          name: 'main',
          endpoint: 'https://api.whole.example',
          endpoints: [['identity', 'https://id.whole.example/v3']],
        },
      ],
      endpoints: ['https://api.whole.example', 'https://id.whole.example'],
      options: [
        { name: 'total', help: 'How many entries the list is said to have. Default: as many as it has.' },
        { name: 'token', help: 'What is signed with.', secret: true },
        { name: 'key', help: 'A private key.', secret: true },
      ],
      roles: [
        { name: 'identity', help: 'Where it is shown who asks.', required: true },
        { name: 'image', help: 'Where images are named.' },
      ],
      secrets: ['password', 'private-key', 'access-token'],
      requestsPerMinute: 60,
      features: { delta: true, byId: true },
    }),

  listInstances(account, query) {
    if (query.ids.length > 0) {
      return page.complete(query.ids.filter((id) => id !== 'i-9').map((id) => one(id)));
    }
    if (query.changedSince !== undefined) {
      return page.delta([one('i-1', [['since', String(query.changedSince)]])], ['i-9']);
    }
    // Two instances on two pages, and a template that is none.
    const total = Number(option(account, 'total') ?? 3);
    if (query.cursor !== undefined) return page.complete([one('i-2')], undefined, { total });
    const told = [...toldOf(account), ['answer', ask(account)]];
    return page.complete([one('i-1', told)], '2', { total, omitted: 1 });
  },

  listRealms() {
    const had = session.get('had') ?? new TextEncoder().encode('nothing');
    const name = new TextDecoder().decode(had);
    session.put('had', new TextEncoder().encode(`${name}, this`), 60);
    return page.complete([realm({ id: 'r-1', name, state: 'available', limit: 7 })], undefined, { total: 1 });
  },
};

function one(id, labels = []) {
  const addresses = ['192.0.2.1', '2001:db8::1', 'web.example', '0.0.0.0'].map((text) => address.read(text));
  const publicAddresses = addresses.filter((found) => found !== undefined);
  return instance({ id, state: 'running', providerState: 'up', publicAddresses, labels });
}

/** What this driver was told of the account, and of its secrets. */
function toldOf(account) {
  const told = [
    ['endpoint', account.endpoint],
    ['identity', endpointOf(account, 'identity') ?? 'none'],
    ['image', endpointOf(account, 'image') ?? 'none'],
    ['secret', account.secret],
    ['expires', String(account.secretExpires)],
    ['absent', String(secret.optionalPlaceholder('absent') !== undefined)],
    ['matches', String(secret.matches('token', 'a-token-that-signs'))],
  ];
  try {
    secret.matches('token', 'another text');
  } catch (error) {
    if (!(error instanceof InvalidAccount)) throw error;
    told.push(['refused', error.message]);
  }
  return told;
}

/** Sends each word that there is, each on a line of its own, and gives what came back. */
function ask(account) {
  const lines = [];
  for (const encoding of ['raw', 'basic', 'json', 'form', 'xml', 'query']) {
    lines.push([`secret ${encoding}`, secret.placeholder('password', encoding)]);
  }
  const text = `<${secret.placeholder()}>`;
  const second = new TextEncoder().encode('second');
  for (const hash of ['sha1', 'sha256', 'sha512']) {
    for (const output of ['hex', 'base64', 'base64url', 'base64-query']) {
      lines.push([`hmac ${hash} ${output}`, secret.hmac('token', hash, ['first', second, text], output, 'P')]);
      lines.push([`digest ${hash} ${output}`, secret.digest(hash, text, output)]);
    }
  }
  lines.push(['digest of text', secret.digest('sha256', 'text', 'hex')]);
  lines.push(['hmac of digest', secret.hmac('token', 'sha256', [secret.digest('sha1', text, 'hex')], 'hex')]);
  for (const scheme of ['rs256', 'ps256']) {
    lines.push([`sign ${scheme}`, secret.sign('key', scheme, 'a message to sign', 'base64')]);
  }
  const content = lines.map(([name, word]) => `${name}: ${word}\n`).join('');
  const request = Request.post(`${endpointOf(account, 'identity')}/sign`).query({
    key: secret.placeholder('password', 'query'),
    signature: secret.hmac('token', 'sha1', ['text'], 'base64-query'),
  });
  return request.bearer('token').body(content).send().success().text();
}
