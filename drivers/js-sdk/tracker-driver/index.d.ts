// The types of what a driver for Tracker is written with. See `index.js` for a whole driver.

export interface Account {
  /** The provider's name, one of the description's or one that the operator configured. */
  provider: string;
  /** Its endpoint, without a slash at the end; it may have a path. */
  endpoint: string;
  /** The endpoints of the roles that are set: role, endpoint. */
  endpoints: [string, string][];
  user: string;
  /** Which kind of secret `password` is. */
  secret: SecretKind;
  /** When it ends, in milliseconds since 1970-01-01T00:00:00Z, where it is an access token and that is known. */
  secretExpires?: number;
  /** The options that are set, but for secret ones: name, value. */
  options: [string, string][];
}

export interface Query {
  /** Undefined for the first page; then what the page before gave as `next`. */
  cursor?: string;
  /** In milliseconds; only where the driver has the feature `delta`, and the same for all pages of one list. */
  changedSince?: number;
  /** Only these instances are asked for, at most 100; none: all of them. Only where the driver has the feature `byId`, and
   * never together with `changedSince`. Those that the provider does not have are left out of the page. */
  ids: string[];
}

/** A password, an API key or a token that does not end; a private key in PEM; a token that somebody else got, and that
 * Tracker replaces before it ends. */
export type SecretKind = 'password' | 'private-key' | 'access-token';

/** A region or site that the driver knows by name. */
export interface Provider {
  name: string;
  /** Scheme, host, port where it is not the scheme's own, and a path where it has one, without a slash at the end. */
  endpoint: string;
  /** The endpoints of its other parts: role, endpoint. None if absent. */
  endpoints?: [string, string][];
}

/** A part of the provider that has an endpoint of its own beside the account's: `identity`, `compute`. */
export interface EndpointRole {
  /** Lower-case letters, digits and hyphens. */
  name: string;
  /** One sentence for the operator: what is asked there. */
  help: string;
  /** False if absent. */
  required?: boolean;
}

export interface AccountOption {
  name: string;
  /** One sentence for the operator: what it does, its form, its default. */
  help: string;
  /** False if absent. */
  required?: boolean;
  /** A secret option stays in the host, and is used by name. False if absent. */
  secret?: boolean;
}

export interface Description {
  name: string;
  title: string;
  version: string;
  providers: Provider[];
  /** Every endpoint that the driver may want to reach; `*` stands for one label or a part of one. */
  endpoints: string[];
  options: AccountOption[];
  /** The parts of the provider that have endpoints of their own, where one endpoint is not enough. */
  roles: EndpointRole[];
  /** What the account's secret may be. None: a password. */
  secrets: SecretKind[];
  /** How many requests a minute one account's provider may be sent, leaving most of what it allows to others. */
  requestsPerMinute?: number;
  /** `delta`: answers `changedSince` with a delta. `byId`: answers `ids` with those instances, by a small request. */
  features: { delta?: boolean; byId?: boolean };
}

export type InstanceState =
  | 'pending'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'shutting-down'
  | 'finish'
  | 'error'
  | 'unknown';

export interface Address {
  kind: 'ipv4' | 'ipv6' | 'hostname';
  value: string;
}

export interface Instance {
  id: string;
  state: InstanceState;
  /** The provider's own word for its state, unchanged. */
  providerState: string;
  name?: string;
  owner?: string;
  realm?: string;
  image?: string;
  hardwareProfile?: string;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  launchedAt?: number;
  publicAddresses: Address[];
  privateAddresses: Address[];
  /** Tags or labels: name, value. */
  labels: [string, string][];
}

export interface Realm {
  id: string;
  name: string;
  state: 'available' | 'unavailable';
  /** How many instances the account may have here, where the provider says. */
  limit?: number;
}

export type Coverage = { tag: 'complete' } | { tag: 'partial'; val: string } | { tag: 'delta'; val: string[] };

export interface Page<T> {
  items: T[];
  /** The driver's own cursor to the next page; undefined or empty on the last one. */
  next?: string;
  coverage: Coverage;
  /** How many entries the whole list has, where the provider says: all pages together, with those that are omitted. */
  total?: number;
  /** How many entries of this page are of another kind and were left out, such as templates. Not those that could not be
   * read: they are an error, or make the page partial. */
  omitted: number;
}

/** What a page says of its numbers. */
export type Numbers = Partial<Pick<Page<unknown>, 'total' | 'omitted'>>;

/** What `exported` in `component.js` makes a component of. */
export interface Driver {
  describe(): Description;
  listInstances(account: Account, query: Query): Page<Instance>;
  listRealms(account: Account, query: Query): Page<Realm>;
}

export const page: {
  complete<T>(items: T[], next?: string, numbers?: Numbers): Page<T>;
  partial<T>(items: T[], why: string, next?: string, numbers?: Numbers): Page<T>;
  delta<T>(items: T[], removed?: string[], next?: string, numbers?: Numbers): Page<T>;
};

/** The account's option of that name, where it is set. Secret options are never here. */
export function option(account: Account, name: string): string | undefined;
/** The same; without it the account is `InvalidAccount`. */
export function requiredOption(account: Account, name: string): string;
/** The endpoint of that role, where it is set; it has no slash at the end. */
export function endpointOf(account: Account, role: string): string | undefined;

/** Fills in what was left out, in what it is given. */
export function instance(
  fields: Pick<Instance, 'id' | 'state' | 'providerState'> & Partial<Instance>,
): Instance;
export function realm(fields: Realm): Realm;
export function description(
  fields: Pick<Description, 'name' | 'title' | 'version'> & Partial<Description>,
): Description;
export const address: Record<'ipv4' | 'ipv6' | 'hostname', (value: string) => Address> & {
  /** A text as what it is; undefined where it is empty, or the unspecified address. */
  read(text: string | undefined): Address | undefined;
};

export class DriverError extends Error {
  during(what: string): this;
}
export class Unauthorized extends DriverError {}
export class Forbidden extends DriverError {}
export class Throttled extends DriverError {
  constructor(message: string, retryAfter?: number);
  /** In seconds. */
  retryAfter?: number;
}
export class Unavailable extends DriverError {}
export class InvalidAccount extends DriverError {
  static badOption(name: string, value: string, accepted: string): InvalidAccount;
}
export class NotSet extends InvalidAccount {}
export class UnexpectedAnswer extends DriverError {}

export class Fields {
  constructor(value: unknown);
  readonly value: any;
  readonly place: string;
  text(name: string): string;
  optionalText(name: string): string | undefined;
  integer(name: string): number;
  optionalInteger(name: string): number | undefined;
  boolean(name: string): boolean;
  optionalBoolean(name: string): boolean | undefined;
  object(name: string): Fields;
  optionalObject(name: string): Fields;
  objects(name?: string): Fields[];
  optionalObjects(name: string): Fields[];
  optionalTexts(name: string): string[];
  optionalPairs(name: string): [string, string][];
}

type Named = Record<string, string | number> | [string, string | number][];

export class Request {
  constructor(method: string, url: string);
  static get(url: string): Request;
  static post(url: string): Request;
  query(fields: Named): this;
  header(name: string, value: string): this;
  basicAuth(): this;
  bearer(name?: string): this;
  body(content: Uint8Array | string): this;
  form(fields: Named): this;
  json(value: unknown): this;
  send(): Response;
}

export class Response {
  readonly asked: string;
  readonly status: number;
  header(name: string): string | undefined;
  success(): this;
  error(): DriverError;
  startOfBody(): Uint8Array;
  errorQuoting(start: Uint8Array | string, retryAfter?: number): DriverError;
  retryAfter(): number | undefined;
  pieces(): Generator<Uint8Array>;
  bytes(most?: number): Uint8Array;
  text(most?: number): string;
  json(most?: number): Fields;
}

export function encodePath(path: string): string;
export function encodeQuery(fields: Named): string;

export const dates: {
  now(): number;
  parseRfc3339(text: string | undefined): number | undefined;
  parseHttpDate(text: string): number | undefined;
};

/** Text, which is taken as UTF-8, or bytes. */
export type Message = string | Uint8Array;
export type Encoding = 'raw' | 'basic' | 'json' | 'form' | 'xml' | 'query';
export type Output = 'hex' | 'base64' | 'base64url' | 'base64-query';
export type Hash = 'sha1' | 'sha256' | 'sha512';
export type Scheme = 'rs256' | 'ps256';

/** What these give are words that stand for a secret, or for what is computed with it. See `secret.js`. */
export const secret: {
  PASSWORD: string;
  placeholder(name?: string, encoding?: Encoding): string;
  optionalPlaceholder(name: string, encoding?: Encoding): string | undefined;
  hmac(name: string, hash: Hash, chain: Message[], output: Output, prefix?: Message): string;
  digest(hash: Hash, message: Message, output: Output): string;
  sign(name: string, scheme: Scheme, message: Message, output: Output): string;
  matches(name: string, text: string): boolean;
};

export const session: {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array, lifetimeSeconds: number): void;
};

export const log: Record<'debug' | 'info' | 'warn' | 'error', (message: string) => void>;
