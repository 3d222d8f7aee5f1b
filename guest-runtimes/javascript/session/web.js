// What browsers have and Node.js too: events, aborts, performance, clones, random
// values.
(function (native, internal) {
  'use strict';
  const { inspect } = internal;

  class Event {
    #type;
    #bubbles;
    #cancelable;
    #prevented = false;
    #stopped = false;
    #target = null;
    timeStamp = native.monotonic();

    constructor(type, { bubbles = false, cancelable = false } = {}) {
      this.#type = String(type);
      this.#bubbles = Boolean(bubbles);
      this.#cancelable = Boolean(cancelable);
    }

    get type() {
      return this.#type;
    }

    get bubbles() {
      return this.#bubbles;
    }

    get cancelable() {
      return this.#cancelable;
    }

    get defaultPrevented() {
      return this.#prevented;
    }

    get target() {
      return this.#target;
    }

    get currentTarget() {
      return this.#target;
    }

    preventDefault() {
      if (this.#cancelable) this.#prevented = true;
    }

    stopPropagation() {}

    stopImmediatePropagation() {
      this.#stopped = true;
    }

    static isStopped(event) {
      return event.#stopped;
    }

    static setTarget(event, target) {
      event.#target = target;
    }
  }
  const { isStopped, setTarget } = Event;
  delete Event.isStopped;
  delete Event.setTarget;

  class CustomEvent extends Event {
    #detail;

    constructor(type, options = {}) {
      super(type, options);
      this.#detail = options.detail ?? null;
    }

    get detail() {
      return this.#detail;
    }
  }

  class EventTarget {
    #listeners = new Map();

    addEventListener(type, listener, options) {
      if (listener === null || listener === undefined) return;
      const { once = false, signal } = typeof options === 'object' && options !== null ? options : {};
      if (signal?.aborted) return;
      const list = this.#listeners.get(type) ?? [];
      if (list.some((entry) => entry.listener === listener)) return;
      this.#listeners.set(type, [...list, { listener, once }]);
      signal?.addEventListener('abort', () => this.removeEventListener(type, listener), { once: true });
    }

    removeEventListener(type, listener) {
      const list = this.#listeners.get(type) ?? [];
      this.#listeners.set(type, list.filter((entry) => entry.listener !== listener));
    }

    dispatchEvent(event) {
      if (!(event instanceof Event)) throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "event" argument must be an instance of Event. Received ${internal.received(event)}`);
      setTarget(event, this);
      const attribute = this[`on${event.type}`];
      const entries = [...(typeof attribute === 'function' ? [{ listener: attribute }] : []), ...(this.#listeners.get(event.type) ?? [])];
      for (const { listener, once } of entries) {
        if (once) this.removeEventListener(event.type, listener);
        try {
          if (typeof listener === 'function') listener.call(this, event);
          else listener.handleEvent(event);
        } catch (error) {
          internal.nextTick(() => { throw error; });
        }
        if (isStopped(event)) break;
      }
      return !event.defaultPrevented;
    }
  }

  class AbortSignal extends EventTarget {
    #isAborted = false;
    #reason;
    onabort = null;

    get aborted() {
      return this.#isAborted;
    }

    get reason() {
      return this.#reason;
    }

    throwIfAborted() {
      if (this.#isAborted) throw this.#reason;
    }

    static abort(reason) {
      const controller = new AbortController();
      controller.abort(reason);
      return controller.signal;
    }

    static timeout(delay) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delay).unref();
      return controller.signal;
    }

    static any(signals) {
      const controller = new AbortController();
      for (const signal of signals) {
        if (signal.aborted) {
          controller.abort(signal.reason);
          break;
        }
        signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
      }
      return controller.signal;
    }

    static end(signal, reason) {
      if (signal.#isAborted) return;
      signal.#isAborted = true;
      signal.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      signal.dispatchEvent(new Event('abort'));
    }

    [inspect.custom]() {
      return `AbortSignal { aborted: ${this.#isAborted} }`;
    }
  }
  const endSignal = AbortSignal.end;
  delete AbortSignal.end;

  class AbortController {
    #signal = new AbortSignal();

    get signal() {
      return this.#signal;
    }

    abort(reason) {
      endSignal(this.#signal, reason);
    }

    [inspect.custom]() {
      return `AbortController { signal: ${inspect(this.#signal)} }`;
    }
  }

  const cannotClone = (value) => new DOMException(`${typeof value === 'symbol' ? String(value) : typeof value === 'function' ? Function.prototype.toString.call(value) : `#<${internal.classOf(value) ?? 'Object'}>`} could not be cloned.`, 'DataCloneError');
  const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

  function clone(value, seen) {
    if (typeof value === 'symbol' || typeof value === 'function') throw cannotClone(value);
    if (value === null || typeof value !== 'object') return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => {
      seen.set(value, copy);
      return copy;
    };
    const kind = native.kind(value);
    switch (kind) {
      case 'Date': return keep(new Date(value.getTime()));
      case 'RegExp': return keep(new RegExp(value.source, value.flags));
      case 'Boolean': case 'Number': case 'String': case 'BigInt': return keep(Object(value.valueOf()));
      case 'ArrayBuffer': return keep(value.slice(0));
      case 'DataView': return keep(new DataView(clone(value.buffer, seen), value.byteOffset, value.byteLength));
      case 'Map': {
        const copy = keep(new Map());
        for (const [key, member] of [...value]) copy.set(clone(key, seen), clone(member, seen));
        return copy;
      }
      case 'Set': {
        const copy = keep(new Set());
        for (const member of [...value]) copy.add(clone(member, seen));
        return copy;
      }
      case 'Error': {
        const type = Object.hasOwn(ERRORS, value.name) ? ERRORS[value.name] : Error;
        const copy = keep(new type(value.message));
        Object.defineProperty(copy, 'stack', { value: value.stack, writable: true, configurable: true });
        if ('cause' in value) internal.define(copy, 'cause', clone(value.cause, seen));
        return copy;
      }
      case 'Proxy': case 'Promise': case 'WeakMap': case 'WeakSet': case 'WeakRef': case 'Generator': case 'Symbol':
        throw cannotClone(value);
    }
    if (ArrayBuffer.isView(value)) {
      const type = value instanceof internal.Buffer ? Uint8Array : value.constructor;
      return keep(new type(clone(value.buffer, seen), value.byteOffset, value.length));
    }
    const copy = keep(Array.isArray(value) ? new Array(value.length) : {});
    for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
    return copy;
  }

  function structuredClone(value, options) {
    if (arguments.length === 0) throw new TypeError("The \"value\" argument must be specified");
    const copy = clone(value, new Map());
    for (const buffer of options?.transfer ?? []) buffer.transfer?.();
    return copy;
  }

  const marks = [];
  class PerformanceEntry {
    constructor(name, entryType, startTime, duration, detail = null) {
      Object.assign(this, { name, entryType, startTime, duration, detail });
    }
  }
  const timeOf = (mark) => (typeof mark === 'number' ? mark : marks.findLast((entry) => entry.name === mark)?.startTime);
  const performance = {
    now: () => native.monotonic() - internal.startedAt,
    get timeOrigin() {
      return Date.now() - performance.now();
    },
    mark: (name, options) => {
      const entry = new PerformanceEntry(String(name), 'mark', options?.startTime ?? performance.now(), 0, options?.detail);
      marks.push(entry);
      return entry;
    },
    measure: (name, start, end) => {
      const from = typeof start === 'object' && start !== null ? start : { start, end };
      for (const mark of [from.start, from.end]) if (typeof mark === 'string' && timeOf(mark) === undefined) throw new DOMException(`The "${mark}" performance mark has not been set`, 'SyntaxError');
      const first = from.start === undefined ? 0 : timeOf(from.start);
      const last = from.end === undefined ? performance.now() : timeOf(from.end);
      const entry = new PerformanceEntry(String(name), 'measure', first, last - first, from.detail);
      marks.push(entry);
      return entry;
    },
    getEntries: () => [...marks],
    getEntriesByName: (name) => marks.filter((entry) => entry.name === name),
    getEntriesByType: (type) => marks.filter((entry) => entry.entryType === type),
    clearMarks: () => { marks.length = 0; },
    clearMeasures: () => { marks.length = 0; },
    toJSON: () => ({ timeOrigin: performance.timeOrigin }),
  };
  Object.defineProperty(performance, Symbol.toStringTag, { value: 'Performance', configurable: true });

  const randomBytes = (size) => {
    const bytes = new Uint8Array(size);
    native.random(bytes);
    return bytes;
  };
  const randomUUID = () => {
    const bytes = randomBytes(16);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return text.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  };
  const MOST_RANDOM = 65536;
  const crypto = {
    getRandomValues: (array) => {
      if (!ArrayBuffer.isView(array) || array instanceof Float32Array || array instanceof Float64Array) throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
      if (array.byteLength > MOST_RANDOM) throw new DOMException(`The requested length exceeds 65,536 bytes`, 'QuotaExceededError');
      native.random(internal.bytesOf(array));
      return array;
    },
    randomUUID,
  };
  Object.defineProperty(crypto, Symbol.toStringTag, { value: 'Crypto', configurable: true });
  // Evenly, by leaving out what would favour the small ones.
  function randomInt(low, high, done) {
    if (typeof high === 'function' || high === undefined) [low, high, done] = [0, low, high];
    const range = high - low;
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || range <= 0 || range >= 2 ** 48) throw internal.coded(RangeError, 'ERR_OUT_OF_RANGE', `The value of "max" is out of range. It must be greater than the value of "min" (${low}). Received ${high}`);
    const most = Math.floor(2 ** 48 / range) * range;
    let number;
    do number = internal.Buffer.from(randomBytes(6)).readUIntBE(0, 6); while (number >= most);
    const found = low + number % range;
    if (done) setImmediate(done, null, found);
    return found;
  }

  const fetch = async () => {
    throw new TypeError('fetch failed', { cause: internal.coded(Error, 'ENETUNREACH', 'there is no network here: put what the program needs into files of the workspace') });
  };

  const names = { Event, CustomEvent, EventTarget, AbortSignal, AbortController, structuredClone, performance, crypto, fetch };
  for (const [name, value] of Object.entries(names)) internal.define(globalThis, name, value);
  Object.defineProperty(fetch, 'name', { value: 'fetch' });
  internal.builtins.perf_hooks = () => ({ performance });
  internal.builtins.crypto = () => ({ ...crypto, webcrypto: crypto, randomInt, randomBytes: (size, done) => {
    const bytes = internal.Buffer.from(randomBytes(size).buffer);
    if (done) setImmediate(done, null, bytes);
    return bytes;
  } });
})
