// node:util, node:os and node:assert.
(function (native, internal) {
  'use strict';
  const { inspect, format } = internal;
  const kind = (value) => native.kind(value);

  const types = {
    isPromise: (value) => kind(value) === 'Promise',
    isMap: (value) => kind(value) === 'Map',
    isSet: (value) => kind(value) === 'Set',
    isWeakMap: (value) => kind(value) === 'WeakMap',
    isWeakSet: (value) => kind(value) === 'WeakSet',
    isDate: (value) => kind(value) === 'Date',
    isRegExp: (value) => kind(value) === 'RegExp',
    isNativeError: (value) => kind(value) === 'Error',
    isProxy: (value) => kind(value) === 'Proxy',
    isArrayBuffer: (value) => kind(value) === 'ArrayBuffer',
    isSharedArrayBuffer: (value) => kind(value) === 'SharedArrayBuffer',
    isAnyArrayBuffer: (value) => ['ArrayBuffer', 'SharedArrayBuffer'].includes(kind(value)),
    isArrayBufferView: (value) => ArrayBuffer.isView(value),
    isTypedArray: (value) => ArrayBuffer.isView(value) && kind(value) !== 'DataView',
    isDataView: (value) => kind(value) === 'DataView',
    isUint8Array: (value) => value instanceof Uint8Array,
    isAsyncFunction: (value) => /^async_(generator_)?function$/.test(kind(value)) || /^Async(Generator)?Function$/.test(kind(value)),
    isGeneratorFunction: (value) => /generator_function$/i.test(kind(value) ?? ''),
    isGeneratorObject: (value) => kind(value) === 'Generator',
    isBoxedPrimitive: (value) => ['Number', 'String', 'Boolean', 'Symbol', 'BigInt'].includes(kind(value)),
    isSymbolObject: (value) => kind(value) === 'Symbol',
  };

  // Whether two values are alike, member by member; `isStrict` as in assert.
  function isDeepEqual(one, other, isStrict, seen = new Map()) {
    if (isStrict ? Object.is(one, other) : one == other || (one !== one && other !== other)) return true; // eslint-disable-line eqeqeq
    if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
    if (isStrict && Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
    const type = kind(one);
    if (type !== kind(other) || Array.isArray(one) !== Array.isArray(other)) return false;
    if (seen.get(one) === other) return true;
    seen.set(one, other);
    const go = (first, second) => isDeepEqual(first, second, isStrict, seen);
    switch (type) {
      case 'Date': if (!Object.is(one.getTime(), other.getTime())) return false; break;
      case 'RegExp': if (String(one) !== String(other)) return false; break;
      case 'Number': case 'String': case 'Boolean': case 'Symbol': case 'BigInt':
        if (!Object.is(one.valueOf(), other.valueOf())) return false;
        break;
      case 'Error': if (one.message !== other.message || one.name !== other.name) return false; break;
      case 'Map': {
        if (one.size !== other.size) return false;
        for (const [key, member] of one) {
          if (other.has(key) ? go(member, other.get(key)) : [...other].some(([key2, member2]) => typeof key === 'object' && go(key, key2) && go(member, member2))) continue;
          return false;
        }
        break;
      }
      case 'Set':
        if (one.size !== other.size) return false;
        for (const member of one) if (!other.has(member) && ![...other].some((member2) => typeof member === 'object' && go(member, member2))) return false;
        break;
    }
    if (ArrayBuffer.isView(one) && (one.byteLength !== other.byteLength || !internal.bytesOf(one).every((byte, at) => byte === internal.bytesOf(other)[at]))) return false;
    const keysOf = (value) => [...Object.keys(value), ...(isStrict ? Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)) : [])];
    const keys = keysOf(one);
    return keys.length === keysOf(other).length && keys.every((key) => Object.hasOwn(other, key) && go(one[key], other[key]));
  }

  const promisified = Symbol.for('nodejs.util.promisify.custom');
  function promisify(method) {
    if (typeof method !== 'function') throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "original" argument must be of type function. Received ${internal.received(method)}`);
    if (method === setTimeout) return internal.builtins['timers/promises']().setTimeout;
    if (method[promisified]) return method[promisified];
    return function (...values) {
      return new Promise((resolve, reject) => {
        method.call(this, ...values, (error, ...results) => (error ? reject(error) : resolve(results[0])));
      });
    };
  }
  promisify.custom = promisified;

  const STYLES = { reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], inverse: [7, 27], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39], gray: [90, 39] };

  function parseArgs({ args = internal.process.argv.slice(2), options = {}, strict = true, allowPositionals = !strict } = {}) {
    const values = Object.create(null);
    const positionals = [];
    const fail = (code, message) => {
      throw internal.coded(TypeError, code, message);
    };
    const put = (name, value) => {
      if (!options[name] && strict) fail('ERR_PARSE_ARGS_UNKNOWN_OPTION', `Unknown option '--${name}'`);
      values[name] = options[name]?.multiple ? [...(values[name] ?? []), value] : value;
    };
    for (let at = 0; at < args.length; at++) {
      const arg = args[at];
      const found = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
      if (arg === '--') {
        positionals.push(...args.slice(at + 1));
        break;
      } else if (found || /^-[^-]/.test(arg)) {
        const letters = found ? [found[1]] : [...arg.slice(1)];
        letters.forEach((letter, index) => {
          const name = found ? letter : Object.keys(options).find((key) => options[key].short === letter) ?? letter;
          if (options[name]?.type !== 'string') put(name, true);
          else if (found?.[2] !== undefined) put(name, found[2]);
          else if (!found && index < letters.length - 1) put(name, letters.splice(index + 1).join(''));
          else if (at + 1 < args.length) put(name, args[++at]);
          else fail('ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '--${name} <value>' argument missing`);
        });
      } else {
        if (!allowPositionals) fail('ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', `Unexpected argument '${arg}'. This command does not take positional arguments`);
        positionals.push(arg);
      }
    }
    for (const [name, option] of Object.entries(options)) if (option.default !== undefined && !(name in values)) values[name] = option.default;
    return { values, positionals };
  }

  const util = {
    inspect, format, types, promisify, parseArgs,
    formatWithOptions: (options, ...values) => format(...values),
    isDeepStrictEqual: (one, other) => isDeepEqual(one, other, true),
    callbackify: (method) => (...values) => {
      const done = values.pop();
      method(...values).then((value) => internal.nextTick(done, null, value), (error) => internal.nextTick(done, error));
    },
    inherits: (type, parent) => {
      internal.define(type, 'super_', parent);
      Object.setPrototypeOf(type.prototype, parent.prototype);
    },
    deprecate: (method) => method,
    debuglog: () => Object.assign(() => {}, { enabled: false }),
    stripVTControlCharacters: (text) => text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ''),
    styleText: (styles, text) => [styles].flat().reduceRight((inner, style) => `\x1b[${STYLES[style][0]}m${inner}\x1b[${STYLES[style][1]}m`, text),
    toUSVString: (text) => String(text).toWellFormed(),
    isArray: Array.isArray,
    TextEncoder, TextDecoder,
  };
  internal.builtins.util = () => util;
  internal.builtins['util/types'] = () => types;

  class AssertionError extends Error {
    constructor({ message, actual, expected, operator }) {
      super(message);
      this.name = 'AssertionError';
      this.generatedMessage = false;
      this.code = 'ERR_ASSERTION';
      Object.assign(this, { actual, expected, operator });
    }
  }
  const WORDS = {
    strictEqual: 'Expected values to be strictly equal:', deepStrictEqual: 'Expected values to be strictly deep-equal:',
    notStrictEqual: 'Expected "actual" to be strictly unequal to:', notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
    equal: 'Expected values to be loosely equal:', deepEqual: 'Expected values to be loosely deep-equal:',
    notEqual: 'Expected "actual" to be loosely unequal to:', notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  };
  function fail(operator, actual, expected, message) {
    if (message instanceof Error) throw message;
    const texts = operator.startsWith('not') ? inspect(expected) : `${inspect(actual)} !== ${inspect(expected)}`;
    throw new AssertionError({ message: message ?? `${WORDS[operator]}\n\n${texts}\n`, actual, expected, operator });
  }
  const check = (operator, holds) => (actual, expected, message) => {
    if (!holds(actual, expected)) fail(operator, actual, expected, message);
  };
  function ok(value, message) {
    if (value) return;
    if (message instanceof Error) throw message;
    const words = arguments.length === 0 ? 'No value argument passed to `assert.ok()`' : message ?? 'The expression evaluated to a falsy value';
    throw new AssertionError({ message: words, actual: value, expected: true, operator: '==' });
  }

  // Whether what was thrown is what was expected; throws when it is not.
  function matches(error, expected, message) {
    if (expected === undefined) return;
    if (expected instanceof RegExp) {
      if (expected.test(String(error))) return;
      throw new AssertionError({ message: message ?? `The input did not match the regular expression ${expected}. Input:\n\n${inspect(String(error))}\n`, actual: error, expected, operator: 'throws' });
    }
    if (typeof expected === 'function') {
      if (expected.prototype !== undefined && error instanceof expected) return;
      if (Error.isPrototypeOf(expected) || expected === Error) throw error;
      if (expected.call({}, error) === true) return;
      throw new AssertionError({ message: message ?? 'The validation function is expected to return "true"', actual: error, expected, operator: 'throws' });
    }
    for (const [key, value] of Object.entries(expected)) {
      if (value instanceof RegExp ? !value.test(error[key]) : !isDeepEqual(error[key], value, true)) fail('deepStrictEqual', error[key], value, message);
    }
  }
  const assert = Object.assign((...values) => ok(...values), {
    ok, AssertionError,
    equal: check('equal', (one, other) => one == other || (one !== one && other !== other)), // eslint-disable-line eqeqeq
    notEqual: check('notEqual', (one, other) => one != other), // eslint-disable-line eqeqeq
    strictEqual: check('strictEqual', Object.is),
    notStrictEqual: check('notStrictEqual', (one, other) => !Object.is(one, other)),
    deepEqual: check('deepEqual', (one, other) => isDeepEqual(one, other, false)),
    notDeepEqual: check('notDeepEqual', (one, other) => !isDeepEqual(one, other, false)),
    deepStrictEqual: check('deepStrictEqual', (one, other) => isDeepEqual(one, other, true)),
    notDeepStrictEqual: check('notDeepStrictEqual', (one, other) => !isDeepEqual(one, other, true)),
    fail: (message = 'Failed') => {
      throw message instanceof Error ? message : new AssertionError({ message, operator: 'fail' });
    },
    ifError: (value) => {
      if (value !== null && value !== undefined) throw value;
    },
    match: (text, pattern, message) => {
      if (!pattern.test(text)) throw new AssertionError({ message: message ?? `The input did not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`, actual: text, expected: pattern, operator: 'match' });
    },
    doesNotMatch: (text, pattern, message) => {
      if (pattern.test(text)) throw new AssertionError({ message: message ?? `The input was expected to not match the regular expression ${pattern}. Input:\n\n${inspect(text)}\n`, actual: text, expected: pattern, operator: 'doesNotMatch' });
    },
    throws: (action, expected, message) => {
      try {
        action();
      } catch (error) {
        matches(error, typeof expected === 'string' ? undefined : expected, message);
        return;
      }
      throw new AssertionError({ message: typeof expected === 'string' ? expected : message ?? 'Missing expected exception.', operator: 'throws' });
    },
    doesNotThrow: (action) => {
      action();
    },
    rejects: async (promise, expected, message) => {
      try {
        await (typeof promise === 'function' ? promise() : promise);
      } catch (error) {
        matches(error, typeof expected === 'string' ? undefined : expected, message);
        return;
      }
      throw new AssertionError({ message: message ?? 'Missing expected rejection.', operator: 'rejects' });
    },
    doesNotReject: async (promise) => {
      await (typeof promise === 'function' ? promise() : promise);
    },
  });
  assert.strict = Object.assign((...values) => ok(...values), assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
  assert.strict.strict = assert.strict;
  internal.builtins.assert = () => assert;
  internal.builtins['assert/strict'] = () => assert.strict;

  internal.builtins.os = () => ({
    EOL: '\n', devNull: '/dev/null',
    platform: () => 'linux', type: () => 'Linux', arch: () => 'wasm32', machine: () => 'wasm32', release: () => '', version: () => '',
    hostname: () => 'belljar', homedir: () => internal.process.env.HOME, tmpdir: () => internal.process.env.TMPDIR, endianness: () => 'LE',
    cpus: () => [], availableParallelism: () => 1, totalmem: () => native.memory(), freemem: () => 0, loadavg: () => [0, 0, 0], uptime: () => internal.process.uptime(),
    networkInterfaces: () => ({}),
    userInfo: () => ({ uid: 1000, gid: 1000, username: 'belljar', homedir: internal.process.env.HOME, shell: null }),
    constants: { signals: {}, errno: {} },
  });
})
