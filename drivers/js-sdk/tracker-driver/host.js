// What a driver finds around it: Tracker's sandbox in a component (`component.js`), a pretend host in tests
// (`testing.js`). Drivers do not use it themselves.

let current;

/** The host at present. */
export function host() {
  if (!current) {
    throw new Error('there is no host: import component.js in a component, and use testing.js in tests');
  }
  return current;
}

/** Puts another host in its place, and gives the one before. */
export function setHost(other) {
  const before = current;
  current = other;
  return before;
}
