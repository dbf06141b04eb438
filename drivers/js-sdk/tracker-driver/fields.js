// Reading JSON that a provider wrote: each value is asked for by name and kind, and what is missing or of another kind
// ends the poll with an error that says where it stands, `servers[3].id`.
//
// A page of 1,000 instances asks some 20,000 times, and a component's engine compiles nothing: a question that is answered
// as hoped for takes one look. What is odd is looked at anew, by the functions below, and takes its time.

import { UnexpectedAnswer, quote } from './errors.js';

const KINDS = {
  text: ['a text', (value) => typeof value === 'string'],
  integer: ['a whole number', Number.isSafeInteger],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  object: ['an object', isObject],
  list: ['a list', Array.isArray],
};

/** What there is to be read of a value that is no object: asking for any of it is an error. */
const NOTHING = Object.freeze(Object.create(null));

/** A JSON value and the place where it stands. Most of it is for objects: `fields.text('name')`. */
export class Fields {
  /** `parent` and `step` say where the value stands; what has a parent is an object, or a list of which only the entries
   * are asked for. */
  constructor(value, parent = undefined, step = '') {
    this.value = value;
    this._parent = parent;
    this._step = step;
    this._own = parent !== undefined || isObject(value) ? value : NOTHING;
  }

  /** Where it stands: `servers[3]`. The answer itself is empty. */
  get place() {
    const step = typeof this._step === 'number' ? `[${this._step}]` : this._step && `.${this._step}`;
    return ((this._parent?.place ?? '') + step).replace(/^\./, '');
  }

  text(name) {
    const found = this._own[name];
    return typeof found === 'string' ? found : required(this, name, 'text');
  }

  /** The text of that name; undefined where there is none, or null stands there. */
  optionalText(name) {
    const found = this._own[name];
    return typeof found === 'string' ? found : optional(this, name, 'text');
  }

  /** The whole number of that name, which has to be one that JavaScript can tell from its neighbours: below 2^53. */
  integer(name) {
    const found = this._own[name];
    return Number.isSafeInteger(found) ? found : required(this, name, 'integer');
  }

  optionalInteger(name) {
    const found = this._own[name];
    return Number.isSafeInteger(found) ? found : optional(this, name, 'integer');
  }

  boolean(name) {
    return required(this, name, 'boolean');
  }

  optionalBoolean(name) {
    return optional(this, name, 'boolean');
  }

  object(name) {
    return new Fields(required(this, name, 'object'), this, name);
  }

  /** The object of that name; an empty one where there is none, or null stands there. */
  optionalObject(name) {
    const found = this._own[name];
    if (typeof found === 'object' && found !== null && !Array.isArray(found)) return new Fields(found, this, name);
    return new Fields(optional(this, name, 'object') ?? {}, this, name);
  }

  /** The objects of the list of that name; without a name, of the list that this is. */
  objects(name) {
    if (name !== undefined) return each(new Fields(required(this, name, 'list'), this, name));
    if (!Array.isArray(this.value)) throw unexpected(this.place, this.value, 'list');
    return each(this);
  }

  /** The same; none where there is no such list, or null stands there. */
  optionalObjects(name) {
    const found = this._own[name];
    return each(new Fields(Array.isArray(found) ? found : (optional(this, name, 'list') ?? []), this, name));
  }

  /** The texts of the list of that name; none where there is no such list, or null stands there. */
  optionalTexts(name) {
    const texts = optional(this, name, 'list') ?? [];
    texts.forEach((text, index) => {
      if (typeof text !== 'string') throw unexpected(`${at(this, name)}[${index}]`, text, 'text');
    });
    return texts;
  }

  /** The names and texts of the object of that name, such as labels, in the order of their names; none where there is
   * no such object, or null stands there. */
  optionalPairs(name) {
    const pairs = this.optionalObject(name);
    const names = Object.keys(pairs.value);
    if (names.length > 1) names.sort();
    return names.map((key) => [key, pairs.text(key)]);
  }
}

function each(list) {
  return list.value.map((item, index) => {
    if (!isObject(item)) throw unexpected(`${list.place}[${index}]`, item, 'object');
    return new Fields(item, list, index);
  });
}

function optional(fields, name, kind) {
  const { value } = fields;
  if (!isObject(value)) throw unexpected(fields.place, value, 'object');
  // What an object has by itself (`constructor`) is none of the provider's.
  const found = Object.hasOwn(value, name) ? value[name] : undefined;
  if (found === undefined || found === null) return undefined;
  if (!KINDS[kind][1](found)) throw unexpected(at(fields, name), found, kind);
  return found;
}

function required(fields, name, kind) {
  const found = optional(fields, name, kind);
  if (found === undefined) {
    throw new UnexpectedAnswer(`the answer has no \`${at(fields, name)}\`, where ${KINDS[kind][0]} was expected`);
  }
  return found;
}

function at(fields, name) {
  return `${fields.place}.${name}`.replace(/^\./, '');
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unexpected(place, found, kind) {
  const where = place ? `\`${place}\` in the answer` : 'the answer';
  const words = `${where} is ${called(found)} where ${KINDS[kind][0]} was expected`;
  return new UnexpectedAnswer(`${words}, in \`${quote(shown(found))}\``);
}

function shown(found) {
  try {
    return JSON.stringify(found);
  } catch {
    // It is nested more deeply than the engine goes.
    return '...';
  }
}

function called(found) {
  if (found === null) return 'null';
  if (Number.isInteger(found)) return Number.isSafeInteger(found) ? 'a whole number' : 'a number beyond 2^53';
  return Object.values(KINDS).find(([, is]) => is(found))?.[0] ?? 'a fraction';
}
