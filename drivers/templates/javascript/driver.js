// {{title}}: its servers and zones, in pages of JSON.
//
// What is here speaks HTTP; what an answer means is in `answers.js`. The provider is made up: put yours in its place, one
// function after the other, and keep the tests going.

import * as answers from './answers.js';
import { Request, description, option } from './tracker-driver/index.js';

/** Where the provider is reached, unless the operator configured another place. */
export const ENDPOINT = 'https://api.{{name}}.example';
/** How many servers the provider gives on one page, at most. */
const PAGE = 100;

/** @type {import('./tracker-driver/index.js').Driver} */
export const driver = {
  describe: () =>
    description({
      name: '{{name}}',
      title: '{{title}}',
      version: '0.1.0',
      providers: [{ name: 'main', endpoint: ENDPOINT }],
      // The host lets no request go anywhere else.
      endpoints: [ENDPOINT],
      options: [{ name: 'project', help: 'The project whose servers are listed. Default: all of them.' }],
    }),

  listInstances(account, query) {
    /** @type {Record<string, string | number>} */
    const fields = { limit: PAGE };
    const project = option(account, 'project');
    if (project !== undefined) fields.project = project;
    // What the page before gave as its next; the first page has none.
    if (query.cursor !== undefined) fields.after = query.cursor;
    return answers.servers(get(account, '/v1/servers', fields));
  },

  listRealms: (account) => answers.zones(get(account, '/v1/zones', {})),
};

/**
 * What the provider answers. The token is put in by the host, on the way out: the driver never sees it. `success` throws
 * the contract's error for every status that is not 2xx.
 *
 * @param {import('./tracker-driver/index.js').Account} account
 * @param {string} path
 * @param {Record<string, string | number>} fields
 */
function get(account, path, fields) {
  const request = Request.get(account.endpoint + path).query(fields).header('accept', 'application/json');
  return request.bearer().send().success().json();
}
