// An answer's body as a value. What is cut off is told from what is no JSON: the one may be whole the next time.

import { UnexpectedAnswer, Unavailable, quote } from './errors.js';

/** Reads a body, as bytes. One that breaks off is `Unavailable`, one that is no JSON `UnexpectedAnswer`. A byte order mark
 * before it is passed over, which is the decoder's doing. */
export function readJson(body) {
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw endsWithinCharacter(body)
      ? new Unavailable(`the answer broke off in the middle of a character, after ${body.length} bytes`)
      : new UnexpectedAnswer(`the answer is not UTF-8, in \`${quote(body)}\``);
  }
  if (!text.trim()) throw new UnexpectedAnswer('the answer is empty where JSON was expected');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (breaksOff(text)) throw new Unavailable(`the answer broke off after ${body.length} bytes`);
    throw new UnexpectedAnswer(`the answer is not JSON: ${quote(error.message)}, in \`${quote(body)}\``);
  }
}

function endsWithinCharacter(body) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(body, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** Whether a text is the beginning of JSON, and no more than that. Engines say so each in words of their own. */
export function breaksOff(text) {
  const END = Symbol('end');
  let at = 0;
  const wrong = () => {
    throw at >= text.length ? END : new SyntaxError(`at ${at}`);
  };
  const space = () => {
    while (' \t\n\r'.includes(text[at] ?? 'x')) at += 1;
  };
  const word = (expected) => {
    for (const character of expected) {
      if (text[at] !== character) wrong();
      at += 1;
    }
  };
  const string = () => {
    word('"');
    while (text[at] !== '"') {
      if (at >= text.length) wrong();
      at += text[at] === '\\' ? 2 : 1;
    }
    at += 1;
  };
  // Each opened object or list, by what closes it.
  const open = [];
  const value = () => {
    let first;
    // However deep it goes: nothing here may depend on the engine's stack.
    for (;;) {
      space();
      first = text[at];
      if (first !== '{' && first !== '[') break;
      open.push(first === '{' ? '}' : ']');
      at += 1;
      space();
      if (text[at] === open.at(-1)) return;
      if (first === '{') name();
    }
    if (first === '"') string();
    else if (first === 't') word('true');
    else if (first === 'f') word('false');
    else if (first === 'n') word('null');
    else {
      const number = /-?([0-9]+(\.[0-9]*)?([eE][+-]?[0-9]*)?)?/y;
      number.lastIndex = at;
      const [digits] = number.exec(text);
      at += digits.length;
      if (!/[0-9]$/.test(digits)) wrong();
    }
  };
  const name = () => {
    space();
    string();
    space();
    word(':');
  };
  try {
    value();
    while (open.length > 0) {
      space();
      if (text[at] === open.at(-1)) {
        open.pop();
        at += 1;
        continue;
      }
      word(',');
      if (open.at(-1) === '}') name();
      value();
    }
    // A number alone may go on.
    return at >= text.length;
  } catch (error) {
    return error === END || at > text.length;
  }
}
