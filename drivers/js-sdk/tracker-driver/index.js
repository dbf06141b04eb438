// What a driver for Tracker is written with, in JavaScript.
//
// A driver answers two questions about a cloud account: which instances are there, and which realms. This is a whole
// one, for a provider that answers with JSON:
//
//     import { Request, description, instance, page } from './tracker-driver/index.js';
//
//     const STATES = { active: 'running', off: 'stopped' };
//
//     export const driver = {
//       describe: () =>
//         description({
//           name: 'example',
//           title: 'Example Cloud',
//           version: '0.1.0',
//           providers: [{ name: 'main', endpoint: 'https://api.cloud.example' }],
//           endpoints: ['https://api.cloud.example'],
//         }),
//
//       listInstances(account, query) {
//         const servers = Request.get(`${account.endpoint}/servers`).basicAuth().send().success().json().objects();
//         return page.complete(servers.map(read));
//       },
//
//       listRealms: () => page.complete([]),
//     };
//
//     function read(server) {
//       const word = server.text('status');
//       return instance({ id: server.text('id'), state: STATES[word] ?? 'unknown', providerState: word });
//     }
//
// Its component is made of a file of two lines, which only a component can load:
//
//     import { exported } from './tracker-driver/component.js';
//     export const inventory = exported(driver);
//
// A driver never sees a secret: `secret` says how it uses one all the same. `testing.js` has a pretend host, with which
// the same code runs under Node, for tests. There is no `fetch` here, no Node and no promise to wait for: `Request`
// waits by itself.

export * as dates from './dates.js';
export * as log from './log.js';
export * as secret from './secret.js';
export * as session from './session.js';
export {
  DriverError,
  Forbidden,
  InvalidAccount,
  NotSet,
  Throttled,
  Unauthorized,
  Unavailable,
  UnexpectedAnswer,
} from './errors.js';
export { Fields } from './fields.js';
export { Request, Response } from './http.js';
export { address, description, endpointOf, instance, option, page, realm, requiredOption } from './model.js';
export { encodePath, encodeQuery } from './urls.js';
