// node:events.
(function (native, internal) {
  'use strict';

  function check(listener) {
    if (typeof listener === 'function') return;
    throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "listener" argument must be of type function. Received ${internal.received(listener)}`);
  }

  const listeners = Symbol('listeners');

  function EventEmitter() {
    if (!this[listeners]) internal.define(this, listeners, new Map());
  }

  function all(emitter, name) {
    // Objects that only have the prototype, as `util.inherits` makes them, work too.
    if (!Object.hasOwn(emitter, listeners)) internal.define(emitter, listeners, new Map());
    return emitter[listeners].get(name) ?? [];
  }

  function add(emitter, name, listener, isFirst) {
    check(listener);
    const before = all(emitter, name);
    if (name !== 'newListener' && all(emitter, 'newListener').length > 0) emitter.emit('newListener', name, listener.listener ?? listener);
    emitter[listeners].set(name, isFirst ? [listener, ...before] : [...before, listener]);
    return emitter;
  }

  function once(emitter, name, listener) {
    check(listener);
    const wrapped = function (...values) {
      emitter.removeListener(name, wrapped);
      return listener.apply(this, values);
    };
    wrapped.listener = listener;
    return wrapped;
  }

  const methods = {
    on(name, listener) {
      return add(this, name, listener, false);
    },
    addListener(name, listener) {
      return add(this, name, listener, false);
    },
    prependListener(name, listener) {
      return add(this, name, listener, true);
    },
    once(name, listener) {
      return this.on(name, once(this, name, listener));
    },
    prependOnceListener(name, listener) {
      return this.prependListener(name, once(this, name, listener));
    },
    off(name, listener) {
      return this.removeListener(name, listener);
    },
    removeListener(name, listener) {
      const before = all(this, name);
      const at = before.findLastIndex((other) => other === listener || other.listener === listener);
      if (at >= 0) {
        if (before.length === 1) this[listeners].delete(name);
        else this[listeners].set(name, before.toSpliced(at, 1));
        if (all(this, 'removeListener').length > 0) this.emit('removeListener', name, listener);
      }
      return this;
    },
    removeAllListeners(name) {
      all(this, name);
      if (name === undefined) this[listeners].clear();
      else this[listeners].delete(name);
      return this;
    },
    emit(name, ...values) {
      const called = all(this, name);
      if (name === 'error' && called.length === 0) {
        if (values[0] instanceof Error) throw values[0];
        throw internal.coded(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${typeof values[0] === 'string' ? `'${values[0]}'` : internal.inspect(values[0])})`, { context: values[0] });
      }
      for (const listener of called) listener.apply(this, values);
      return called.length > 0;
    },
    listenerCount(name, listener) {
      const found = all(this, name);
      return listener === undefined ? found.length : found.filter((other) => (other.listener ?? other) === listener).length;
    },
    listeners(name) {
      return all(this, name).map((listener) => listener.listener ?? listener);
    },
    rawListeners(name) {
      return [...all(this, name)];
    },
    eventNames() {
      all(this, '');
      return [...this[listeners].keys()];
    },
    setMaxListeners() {
      return this;
    },
    getMaxListeners() {
      return EventEmitter.defaultMaxListeners;
    },
  };
  for (const [name, method] of Object.entries(methods)) internal.define(EventEmitter.prototype, name, method);

  EventEmitter.defaultMaxListeners = 10;
  EventEmitter.EventEmitter = EventEmitter;
  EventEmitter.once = (emitter, name, { signal } = {}) => new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    if (typeof emitter.addEventListener === 'function') {
      emitter.addEventListener(name, (event) => resolve([event]), { once: true });
      return;
    }
    const failed = (error) => {
      emitter.removeListener(name, done);
      reject(error);
    };
    const done = (...values) => {
      emitter.removeListener('error', failed);
      resolve(values);
    };
    emitter.once(name, done);
    if (name !== 'error') emitter.once('error', failed);
    signal?.addEventListener('abort', () => failed(signal.reason), { once: true });
  });
  EventEmitter.on = async function* (emitter, name) {
    const waiting = [];
    let wake = () => {};
    const listener = (...values) => {
      waiting.push(values);
      wake();
    };
    emitter.on(name, listener);
    try {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift();
        await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      emitter.removeListener(name, listener);
    }
  };
  EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
  EventEmitter.setMaxListeners = () => {};
  internal.EventEmitter = EventEmitter;
  internal.builtins.events = () => EventEmitter;
})
