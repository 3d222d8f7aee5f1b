// What a run means: from the request to the value, the error and the reply. `run.c`
// calls these in this order.
(function (native, internal) {
  'use strict';
  const { inspect, process } = internal;
  const DEFAULT_RESULT_BYTES = 64 * 1024;
  const DEFAULT_OUTPUT_BYTES = 4 * 1024 * 1024;
  const PROGRAM = '/workspace/main.js';
  // By `reason` of the interrupt block.
  const REASONS = [
    '', 'the wall time limit of this run was reached', 'the CPU time limit of this run was reached',
    'the instruction limit (fuel) of this run was reached', 'the run was cancelled',
  ];
  const CANCELLED = 4;
  // How deep results are shown: further than console.log does, so that nobody asks again.
  const RESULT_DEPTH = 4;
  const STORAGE = ['ENOSPC', 'EDQUOT', 'EFBIG'];
  const DESCRIPTORS = ['EMFILE', 'ENFILE'];
  const stringify = JSON.stringify;

  let request;
  let lines;

  internal.cut = (text, limit) => {
    text = text.toWellFormed();
    if (text.length * 3 <= limit) return text;
    const bytes = native.encode(text);
    if (bytes.length <= limit) return text;
    let end = limit;
    while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
    return `${native.decode(bytes.slice(0, end))}... [cut, ${bytes.length} bytes in all]`;
  };

  // Stacks of endless recursion say the same over and over.
  function cutMiddle(text, limit) {
    text = text.toWellFormed();
    const bytes = native.encode(text);
    if (bytes.length <= limit) return text;
    const half = Math.floor(limit / 2);
    const left = native.decode(bytes.slice(0, half)).replace(/\ufffd+$/, '');
    const right = native.decode(bytes.slice(bytes.length - half)).replace(/^\ufffd+/, '');
    return `${left}\n... [cut, ${bytes.length} bytes in all] ...\n${right}`;
  }

  function begin(given) {
    request = { result_bytes: DEFAULT_RESULT_BYTES, output_bytes: DEFAULT_OUTPUT_BYTES, ...given };
    internal.request = request;
    if (request.fresh) native.renew_generator();
    internal.forgetCalls();
    internal.dropTimers();
    internal.unhandledReason = undefined;
    internal.beginProcess(request);
    internal.beginConsole();
    internal.beginOutputs(request);
    lines = request.code;
    return request.code;
  }

  function result(value) {
    if (value === undefined) return undefined;
    const shown = internal.cut(typeof value === 'string' ? inspect(value, { maxStringLength: request.result_bytes }) : inspect(value, { depth: RESULT_DEPTH }), request.result_bytes);
    internal.addResult(value, shown);
    return shown;
  }

  function causeOf(error) {
    // What the engine throws when there is no memory for an error; the host knows
    // whether there was.
    if (error === null) return 'memory';
    try {
      for (let at = error, depth = 0; native.kind(at) === 'Error' && depth < 4; at = at.cause, depth++) {
        if (isOutOfMemory(at)) return 'memory';
        if (STORAGE.includes(at.code)) return 'storage';
        if (DESCRIPTORS.includes(at.code)) return 'descriptors';
      }
    } catch {
      // Code of the program that says nothing.
    }
    return null;
  }

  const isOutOfMemory = (error) => native.kind(error) === 'Error' && error.name === 'InternalError' && error.message === 'out of memory';

  // The line of the program that an error is about, and a mark below the place.
  function excerpt(stack) {
    const found = /\/workspace\/main\.js:(\d+):(\d+)/.exec(stack);
    if (!found) return '';
    const [, line, column] = found.map(Number);
    const text = String(lines).split(/\r\n|[\n\r\u2028\u2029]/)[line - 1];
    if (text === undefined || text.length > 200) return `${PROGRAM}:${line}\n\n`;
    const blank = text.slice(0, column - 1).replace(/[^\t]/g, ' ');
    return `${PROGRAM}:${line}\n${text}\n${blank}^\n\n`;
  }

  function describe(error) {
    const isError = native.kind(error) === 'Error';
    const safe = (make, otherwise) => {
      try {
        return String(make());
      } catch {
        return otherwise;
      }
    };
    if (!isError) {
      const shown = safe(() => inspect(error), '[a value that cannot be shown]');
      return { name: 'Uncaught', value: shown, traceback: `Uncaught ${shown}\n${safe(() => error.stack ?? '', '')}` };
    }
    const own = safe(() => error.name, 'Error');
    const kind = safe(() => internal.classOf(error), own);
    const stack = safe(() => error.stack ?? '', '');
    return {
      name: own === 'Error' && kind !== 'null' ? kind : own,
      value: safe(() => error.message, ''),
      traceback: excerpt(stack) + safe(() => inspect(error), `${own}: ${stack}`) + '\n',
    };
  }

  function report(error, reason, isUnsettled) {
    const limit = request.result_bytes;
    let told;
    let cause = null;
    if (reason !== 0) {
      const name = reason === CANCELLED ? 'AbortError' : 'ExecutionTimeout';
      const message = REASONS[reason] ?? 'the run was interrupted';
      const stack = native.kind(error) === 'Error' && error.message === 'interrupted' ? String(error.stack).replace(/^.*\n/, '') : '';
      told = { name, value: message, traceback: `${excerpt(stack)}${name}: ${message}\n${stack}` };
      cause = 'interrupt';
    } else if (isUnsettled) {
      const message = 'the top level awaits a promise that nothing is left to settle';
      told = { name: 'UnsettledAwait', value: message, traceback: `UnsettledAwait: ${message}\n` };
    } else {
      told = describe(error);
      cause = causeOf(error);
      const unhandled = internal.unhandledReason;
      if (unhandled && unhandled.reason === error) told.traceback = `Unhandled rejection of a promise:\n${told.traceback}`;
    }
    return { name: internal.cut(told.name, 200), value: internal.cut(told.value, limit), traceback: cutMiddle(told.traceback, limit), cause };
  }

  function reply(exitCode, text, error) {
    if (error !== undefined || exitCode !== 0) internal.dropTimers();
    // Without prototypes, which programs may have given a toJSON.
    const outputs = internal.outputs();
    for (const output of outputs) Object.setPrototypeOf(output, null);
    Object.setPrototypeOf(outputs, null);
    if (error !== undefined) Object.setPrototypeOf(error, null);
    return stringify({ __proto__: null, exit_code: exitCode, result: text ?? null, error: error ?? null, outputs });
  }

  return {
    begin, result, report, reply,
    ticks: internal.runTicks,
    step: internal.step,
    rejections: internal.checkRejections,
    track: internal.track,
    end: (code) => internal.endProcess(code),
  };
})
