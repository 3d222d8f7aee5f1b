// What the other files share.
(function (native, internal) {
  'use strict';
  internal.define = (object, name, value) => {
    Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
  };
  // Modules that `require` and `import` know by name, made when they are first wanted.
  internal.builtins = Object.create(null);
  internal.request = { args: [], env: {} };
  // An error as Node.js has them: with a code, after the name where it is shown.
  internal.coded = (type, code, message, more) => {
    const error = new type(message);
    error.code = code;
    return Object.assign(error, more);
  };
  Math.random = native.next_random;
  Object.defineProperty(Math.random, 'name', { value: 'random' });
  internal.define(globalThis, 'global', globalThis);
  Object.defineProperty(globalThis, Symbol.toStringTag, { value: 'global', configurable: true });
})
