// Reading JSON that a provider wrote: each value is asked for by name and kind, and what is missing or of another kind
// ends the poll with an error that says where it stands, `servers[3].id`.

import { UnexpectedAnswer, quote } from './errors.js';

const KINDS = {
  text: ['a text', (value) => typeof value === 'string'],
  integer: ['a whole number', (value) => Number.isSafeInteger(value)],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  object: ['an object', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)],
  list: ['a list', Array.isArray],
};

/** A JSON value and the place where it stands. Most of it is for objects: `fields.text('name')`. */
export class Fields {
  #parent;
  #step;

  constructor(value, parent = undefined, step = '') {
    this.value = value;
    this.#parent = parent;
    this.#step = step;
  }

  /** Where it stands: `servers[3]`. The answer itself is empty. */
  get place() {
    return ((this.#parent?.place ?? '') + this.#step).replace(/^\./, '');
  }

  text(name) {
    return this.#required(name, 'text');
  }

  /** The text of that name; undefined where there is none, or null stands there. */
  optionalText(name) {
    return this.#optional(name, 'text');
  }

  integer(name) {
    return this.#required(name, 'integer');
  }

  optionalInteger(name) {
    return this.#optional(name, 'integer');
  }

  boolean(name) {
    return this.#required(name, 'boolean');
  }

  optionalBoolean(name) {
    return this.#optional(name, 'boolean');
  }

  object(name) {
    return new Fields(this.#required(name, 'object'), this, `.${name}`);
  }

  /** The object of that name; an empty one where there is none, or null stands there. */
  optionalObject(name) {
    return new Fields(this.#optional(name, 'object') ?? {}, this, `.${name}`);
  }

  /** The objects of the list of that name; without a name, of the list that this is. */
  objects(name) {
    const list = name === undefined ? this : new Fields(this.#required(name, 'list'), this, `.${name}`);
    if (!Array.isArray(list.value)) throw unexpected(list.place, list.value, 'list');
    return list.#each();
  }

  /** The same; none where there is no such list, or null stands there. */
  optionalObjects(name) {
    return new Fields(this.#optional(name, 'list') ?? [], this, `.${name}`).#each();
  }

  /** The texts of the list of that name; none where there is no such list, or null stands there. */
  optionalTexts(name) {
    const texts = this.#optional(name, 'list') ?? [];
    texts.forEach((text, index) => {
      if (typeof text !== 'string') throw unexpected(`${this.#at(name)}[${index}]`, text, 'text');
    });
    return texts;
  }

  /** The names and texts of the object of that name, such as labels, in the order of their names. */
  optionalPairs(name) {
    const pairs = this.optionalObject(name);
    return Object.keys(pairs.value)
      .sort()
      .map((key) => [key, pairs.text(key)]);
  }

  #each() {
    return this.value.map((item, index) => {
      if (!KINDS.object[1](item)) throw unexpected(`${this.place}[${index}]`, item, 'object');
      return new Fields(item, this, `[${index}]`);
    });
  }

  #optional(name, kind) {
    if (!KINDS.object[1](this.value)) throw unexpected(this.place, this.value, 'object');
    const found = Object.hasOwn(this.value, name) ? this.value[name] : undefined;
    if (found === undefined || found === null) return undefined;
    if (!KINDS[kind][1](found)) throw unexpected(this.#at(name), found, kind);
    return found;
  }

  #required(name, kind) {
    const found = this.#optional(name, kind);
    if (found === undefined) {
      throw new UnexpectedAnswer(`the answer has no \`${this.#at(name)}\`, where ${KINDS[kind][0]} was expected`);
    }
    return found;
  }

  #at(name) {
    return `${this.place}.${name}`.replace(/^\./, '');
  }
}

function unexpected(place, found, kind) {
  const known = Object.values(KINDS).find(([, is]) => is(found));
  const what = found === null ? 'null' : (known?.[0] ?? 'a fraction');
  const where = place ? `\`${place}\` in the answer` : 'the answer';
  return new UnexpectedAnswer(`${where} is ${what} where ${KINDS[kind][0]} was expected, in \`${quote(JSON.stringify(found))}\``);
}
