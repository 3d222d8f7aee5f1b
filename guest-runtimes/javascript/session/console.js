// `console`: what it prints goes to the streams of the run at once.
(function (native, internal) {
  'use strict';
  const { format, inspect } = internal;

  class Console {
    #counts = new Map();
    #times = new Map();
    #indentation = '';
    #write;

    constructor(write) {
      this.#write = write;
      // Methods work without their object, as `[1].forEach(console.log)` needs.
      for (const name of Object.getOwnPropertyNames(Console.prototype)) {
        if (name !== 'constructor') internal.define(this, name, this[name].bind(this));
        if (name !== 'constructor') Object.defineProperty(this[name], 'name', { value: name });
      }
    }

    static begin(console) {
      console.#indentation = '';
    }

    #print(descriptor, text) {
      if (this.#indentation) text = this.#indentation + text.replaceAll('\n', `\n${this.#indentation}`);
      this.#write(descriptor, `${text}\n`);
    }

    log(...values) {
      this.#print(1, format(...values));
    }

    info(...values) {
      this.#print(1, format(...values));
    }

    debug(...values) {
      this.#print(1, format(...values));
    }

    error(...values) {
      this.#print(2, format(...values));
    }

    warn(...values) {
      this.#print(2, format(...values));
    }

    trace(...values) {
      const error = { name: 'Trace', message: format(...values) };
      Error.captureStackTrace(error, this.trace);
      this.#print(2, error.stack.trimEnd());
    }

    assert(holds, ...values) {
      if (holds) return;
      if (typeof values[0] === 'string') values[0] = `Assertion failed: ${values[0]}`;
      else values.unshift(values.length > 0 ? 'Assertion failed:' : 'Assertion failed');
      this.#print(2, format(...values));
    }

    dir(value, options) {
      this.#print(1, inspect(value, { customInspect: false, ...options }));
    }

    dirxml(...values) {
      this.log(...values);
    }

    count(label = 'default') {
      const count = (this.#counts.get(`${label}`) ?? 0) + 1;
      this.#counts.set(`${label}`, count);
      this.log(`${label}: ${count}`);
    }

    countReset(label = 'default') {
      if (!this.#counts.delete(`${label}`)) this.warn(`Warning: Count for '${label}' does not exist`);
    }

    group(...values) {
      if (values.length > 0) this.log(...values);
      this.#indentation += '  ';
    }

    groupCollapsed(...values) {
      this.group(...values);
    }

    groupEnd() {
      this.#indentation = this.#indentation.slice(0, -2);
    }

    time(label = 'default') {
      if (this.#times.has(`${label}`)) this.warn(`Warning: Label '${label}' already exists for console.time()`);
      else this.#times.set(`${label}`, native.monotonic());
    }

    #taken(label, method) {
      const start = this.#times.get(`${label}`);
      if (start === undefined) {
        this.warn(`Warning: No such label '${label}' for console.${method}()`);
        return undefined;
      }
      const taken = native.monotonic() - start;
      return taken >= 1000 ? `${(taken / 1000).toFixed(3)}s` : `${Number(taken.toFixed(3))}ms`;
    }

    timeEnd(label = 'default') {
      const taken = this.#taken(label, 'timeEnd');
      if (taken !== undefined) this.log('%s: %s', label, taken);
      this.#times.delete(`${label}`);
    }

    timeLog(label = 'default', ...values) {
      const taken = this.#taken(label, 'timeLog');
      if (taken !== undefined) this.log('%s: %s', label, taken, ...values);
    }

    timeStamp() {}

    profile() {}

    profileEnd() {}

    table(value, columns) {
      if (value === null || typeof value !== 'object') {
        this.log(value);
        return;
      }
      this.#print(1, tableOf(value, columns));
    }
  }

  function rowsOf(value) {
    if (value instanceof Map) return { index: '(iteration index)', rows: [...value].map(([key, member], at) => [at, { Key: key, Values: member }, true]) };
    if (value instanceof Set) return { index: '(iteration index)', rows: [...value].map((member, at) => [at, member]) };
    return { index: '(index)', rows: Object.keys(value).map((key) => [key, value[key]]) };
  }

  function tableOf(value, wanted) {
    const { index, rows } = rowsOf(value);
    const short = (member) => inspect(member, { depth: member !== null && typeof member === 'object' && Object.keys(member).length > 2 ? -1 : 0, maxArrayLength: 3, breakLength: Infinity });
    const names = [];
    let hasValues = false;
    const lines = rows.map(([key, row]) => {
      const cells = new Map();
      const isPlain = row === null || (typeof row !== 'object' && typeof row !== 'function');
      if (isPlain) hasValues = true;
      else {
        for (const name of wanted ?? Object.keys(row)) {
          if (!names.includes(name)) names.push(name);
          if (Object.hasOwn(row, name)) cells.set(name, short(row[name]));
        }
      }
      return { key: String(key), cells, value: isPlain ? short(row) : '' };
    });
    const header = [index, ...names, ...(hasValues ? ['Values'] : [])];
    const body = lines.map((line) => [line.key, ...names.map((name) => line.cells.get(name) ?? ''), ...(hasValues ? [line.value] : [])]);
    const widths = header.map((name, column) => Math.max(name.length, ...body.map((row) => row[column].length)) + 2);
    const line = (row) => `│${row.map((text, column) => ` ${text}`.padEnd(widths[column])).join('│')}│`;
    const rule = (left, middle, right) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
    return [rule('┌', '┬', '┐'), line(header), rule('├', '┼', '┤'), ...body.map(line), rule('└', '┴', '┘')].join('\n');
  }

  const console = new Console((descriptor, text) => internal.print(descriptor, text));
  internal.define(console, 'Console', class {
    constructor(stream, errors = stream) {
      const streams = stream.stdout ? stream : { stdout: stream, stderr: errors };
      return new Console((descriptor, text) => (descriptor === 1 ? streams.stdout : streams.stderr ?? streams.stdout).write(text));
    }
  });
  Object.defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true });
  internal.define(globalThis, 'console', console);
  internal.beginConsole = () => Console.begin(console);
  internal.builtins.console = () => console;
})
