// Timers, functions for the next tick, and the promises that nobody listens to:
// what a run waits for beside the jobs of the engine.
(function (native, internal) {
  'use strict';
  // Longer ones fire at once, as everywhere.
  const LONGEST = 2147483647;

  // By time and then by number; there are few, and the next one is the first.
  let timers = [];
  let immediates = [];
  let ticks = [];
  let lastNumber = 0;
  let rejected = new Map();

  class Timeout {
    constructor(callback, delay, values, repeats) {
      this._callback = callback;
      this._values = values;
      this._delay = delay;
      this._repeats = repeats;
      this._number = ++lastNumber;
      this._isRef = true;
      this._isActive = true;
      schedule(this);
    }

    ref() {
      this._isRef = true;
      return this;
    }

    unref() {
      this._isRef = false;
      return this;
    }

    hasRef() {
      return this._isRef;
    }

    refresh() {
      if (this._isActive) {
        remove(this);
        schedule(this);
      }
      return this;
    }

    close() {
      clear(this);
      return this;
    }

    [Symbol.toPrimitive]() {
      return this._number;
    }

    [Symbol.dispose]() {
      clear(this);
    }

    [internal.inspect.custom]() {
      return `Timeout {\n  _idleTimeout: ${this._delay},\n  _repeat: ${this._repeats ? this._delay : null}\n}`;
    }
  }

  class Immediate {
    constructor(callback, values) {
      this._callback = callback;
      this._values = values;
      this._isActive = true;
      immediates.push(this);
    }

    ref() {
      return this;
    }

    unref() {
      return this;
    }

    hasRef() {
      return true;
    }

    [Symbol.dispose]() {
      clearImmediate(this);
    }
  }

  function schedule(timer) {
    timer._at = native.monotonic() + timer._delay;
    let low = 0;
    let high = timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (timers[middle]._at <= timer._at) low = middle + 1;
      else high = middle;
    }
    timers.splice(low, 0, timer);
  }

  function remove(timer) {
    const at = timers.indexOf(timer);
    if (at >= 0) timers.splice(at, 1);
  }

  function delayOf(delay) {
    const number = Number(delay);
    return number >= 1 && number <= LONGEST ? Math.trunc(number) : 1;
  }

  function needFunction(callback) {
    if (typeof callback === 'function') return;
    const error = new TypeError(`The "callback" argument must be of type function. Received ${internal.inspect(callback)}`);
    error.code = 'ERR_INVALID_ARG_TYPE';
    throw error;
  }

  function setTimeout(callback, delay, ...values) {
    needFunction(callback);
    return new Timeout(callback, delayOf(delay), values, false);
  }

  function setInterval(callback, delay, ...values) {
    needFunction(callback);
    return new Timeout(callback, delayOf(delay), values, true);
  }

  function setImmediate(callback, ...values) {
    needFunction(callback);
    return new Immediate(callback, values);
  }

  function clear(timer) {
    if (typeof timer === 'number' || typeof timer === 'string') {
      timer = timers.find((other) => other._number === Number(timer));
    }
    if (timer instanceof Timeout) {
      timer._isActive = false;
      remove(timer);
    }
  }

  const clearTimeout = (timer) => clear(timer);
  const clearInterval = (timer) => clear(timer);

  function clearImmediate(immediate) {
    if (immediate instanceof Immediate) immediate._isActive = false;
  }

  function queueMicrotask(callback) {
    needFunction(callback);
    Promise.resolve().then(callback);
  }

  function nextTick(callback, ...values) {
    needFunction(callback);
    ticks.push([callback, values]);
    native.has_ticks();
  }

  function runTicks() {
    const waiting = ticks;
    ticks = [];
    for (let at = 0; at < waiting.length; at++) {
      const [callback, values] = waiting[at];
      try {
        callback(...values);
      } catch (error) {
        internal.uncaught(error);
      }
      // What it put off comes after those that were there before.
      if (ticks.length > 0) {
        waiting.push(...ticks);
        ticks = [];
      }
    }
  }

  // Does one thing that waited: true unless there is none that the run waits for.
  // Timers that are due come before what only waits for its turn.
  function step() {
    const next = timers[0];
    const left = next === undefined ? -1 : next._at - native.monotonic();
    if (next !== undefined && left <= 0 && (next._isRef || immediates.length > 0 || goesOn())) {
      if (next._repeats) {
        remove(next);
        schedule(next);
      } else {
        next._isActive = false;
        timers.shift();
      }
      call(next);
    } else if (immediates.length > 0) {
      const immediate = immediates.shift();
      if (immediate._isActive) call(immediate);
    } else if (goesOn()) {
      internal.wait(left);
    } else {
      return false;
    }
    return true;
  }

  const goesOn = () => internal.isWaiting() || timers.some((timer) => timer._isRef);

  function call(timer) {
    try {
      timer._callback(...timer._values);
    } catch (error) {
      internal.uncaught(error);
    }
  }

  // A promise was rejected, and nobody handles that; or somebody does now.
  function track(promise, reason, isHandled) {
    if (isHandled) rejected.delete(promise);
    else rejected.set(promise, reason);
  }

  function checkRejections() {
    if (rejected.size === 0) return;
    const found = rejected;
    rejected = new Map();
    for (const [promise, reason] of found) internal.unhandled(promise, reason);
  }

  function drop() {
    timers = [];
    immediates = [];
    ticks = [];
    rejected = new Map();
  }

  class AbortError extends Error {
    code = 'ABORT_ERR';
  }
  internal.define(AbortError.prototype, 'name', 'AbortError');

  // A promise of what `start` waits for, which `signal` may give up.
  function waited(start, value, { signal, ref = true } = {}) {
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (waiting) waiting[Symbol.dispose]();
        reject(new AbortError('The operation was aborted', { cause: signal.reason }));
      };
      let waiting;
      if (signal?.aborted) {
        abort();
        return;
      }
      waiting = start(() => {
        signal?.removeEventListener('abort', abort);
        resolve(value);
      });
      if (!ref) waiting.unref();
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  const timersModule = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate };
  const promises = {
    setTimeout: (delay, value, options) => waited((done) => setTimeout(done, delay), value, options),
    setImmediate: (value, options) => waited(setImmediate, value, options),
    setInterval: async function* (delay, value, options) {
      for (;;) {
        await promises.setTimeout(delay, undefined, options);
        yield value;
      }
    },
    scheduler: { wait: (delay, options) => promises.setTimeout(delay, undefined, options), yield: () => promises.setImmediate() },
  };
  for (const [name, value] of Object.entries({ ...timersModule, queueMicrotask })) internal.define(globalThis, name, value);
  Object.assign(internal, { nextTick, runTicks, step, track, checkRejections, dropTimers: drop });
  internal.builtins.timers = () => ({ ...timersModule, promises });
  internal.builtins['timers/promises'] = () => promises;
})
