// Calls to the host: `belljar.call` and `belljar.progress`, and how a run waits for
// their answers beside its timers.
(function (native, internal) {
  'use strict';
  const DENIED = 2;
  const waiting = new Map();
  // Calls that wait until fewer are in flight.
  let later = [];

  class CallError extends Error {}
  class CallDenied extends CallError {}
  for (const type of [CallError, CallDenied]) internal.define(type.prototype, 'name', type.name);

  function start(call) {
    const number = native.call_begin(call.name, call.text);
    if (number === -1) return false;
    if (number < 0) call.reject(new CallError('the host does not take calls now'));
    else waiting.set(number, call);
    return true;
  }

  function begin(name, values) {
    return new Promise((resolve, reject) => {
      const call = { name: String(name), text: JSON.stringify(values ?? {}), resolve, reject };
      if (later.length > 0 || !start(call)) later.push(call);
    });
  }

  function settle([number, kind, text]) {
    const call = waiting.get(number);
    waiting.delete(number);
    while (later.length > 0 && start(later[0])) later.shift();
    if (call === undefined) return;
    if (kind !== 0) {
      call.reject(new (kind === DENIED ? CallDenied : CallError)(text));
      return;
    }
    try {
      call.resolve(JSON.parse(text));
    } catch {
      call.reject(new CallError(`the answer is not JSON: ${text.slice(0, 100)}`));
    }
  }

  // Waits for an answer, for so many milliseconds, or for ever when that is below zero.
  internal.wait = (left) => {
    if (waiting.size === 0) {
      native.sleep(left);
      return;
    }
    const answer = native.call_wait(left);
    if (answer !== null) settle(answer);
  };
  internal.isWaiting = () => waiting.size > 0;
  internal.forgetCalls = () => {
    waiting.clear();
    later = [];
  };
  // A call whose answer nobody waits for.
  internal.tell = (name, values) => {
    begin(name, values).catch(() => {});
  };

  const belljar = {
    CallError,
    CallDenied,
    call: begin,
    progress: (message, fraction) => internal.tell('progress', { message: message === undefined ? undefined : String(message), fraction }),
  };
  internal.define(globalThis, 'belljar', belljar);
  internal.builtins.belljar = () => belljar;
})
