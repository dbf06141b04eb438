// The types of what a driver for Tracker is written with. See `index.js` for a whole driver.

export interface Account {
  /** The provider's name, one of the description's or one that the operator configured. */
  provider: string;
  /** Its endpoint, without a slash at the end. */
  endpoint: string;
  user: string;
  /** The options that are set, but for secret ones: name, value. */
  options: [string, string][];
}

export interface Query {
  /** Undefined for the first page; then what the page before gave as `next`. */
  cursor?: string;
  /** In milliseconds; only where the driver has the feature `delta`. */
  changedSince?: number;
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
  providers: { name: string; endpoint: string }[];
  /** Every endpoint that the driver may want to reach; `*` stands for one label or a part of one. */
  endpoints: string[];
  options: AccountOption[];
  /** How many requests a minute one account's provider may be sent, leaving most of what it allows to others. */
  requestsPerMinute?: number;
  features: { delta?: boolean };
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
  next?: string;
  coverage: Coverage;
}

/** What `exported` in `component.js` makes a component of. */
export interface Driver {
  describe(): Description;
  listInstances(account: Account, query: Query): Page<Instance>;
  listRealms(account: Account, query: Query): Page<Realm>;
}

export const page: {
  complete<T>(items: T[], next?: string): Page<T>;
  partial<T>(items: T[], why: string, next?: string): Page<T>;
  delta<T>(items: T[], removed?: string[], next?: string): Page<T>;
};

/** The account's option of that name, where it is set. Secret options are never here. */
export function option(account: Account, name: string): string | undefined;
/** The same; without it the account is `InvalidAccount`. */
export function requiredOption(account: Account, name: string): string;

/** Fills in what was left out, in what it is given. */
export function instance(
  fields: Pick<Instance, 'id' | 'state' | 'providerState'> & Partial<Instance>,
): Instance;
export function realm(fields: Realm): Realm;
export function description(
  fields: Pick<Description, 'name' | 'title' | 'version'> & Partial<Description>,
): Description;
export const address: Record<'ipv4' | 'ipv6' | 'hostname', (value: string) => Address>;

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

export const secret: {
  PASSWORD: string;
  placeholder(name?: string, encoding?: 'raw' | 'basic' | 'json' | 'form'): string;
  optionalPlaceholder(name: string, encoding?: 'raw' | 'basic' | 'json' | 'form'): string | undefined;
  hmacSha256(name: string, prefix: Uint8Array, chain: Uint8Array[]): Uint8Array;
  digestSha256(message: Uint8Array): Uint8Array;
  signRs256(name: string, message: Uint8Array): Uint8Array;
};

export const session: {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array, lifetimeSeconds: number): void;
};

export const log: Record<'debug' | 'info' | 'warn' | 'error', (message: string) => void>;
