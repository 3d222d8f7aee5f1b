// `process`: arguments, environment, streams, exit, and the events of a program's end.
(function (native, internal) {
  'use strict';
  const EventEmitter = internal.EventEmitter;
  const process = new EventEmitter();
  Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });

  // What every machine has, unless the request says otherwise.
  const ENVIRONMENT = {
    PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/workspace', TMPDIR: '/tmp', LANG: 'C.UTF-8', USER: 'belljar', LOGNAME: 'belljar',
  };
  const VERSION = 'v22.12.0';

  internal.print = (descriptor, text) => {
    const error = native.write(descriptor, text);
    if (error !== 0) internal.failed(error, 'write');
  };

  class Output extends EventEmitter {
    constructor(descriptor) {
      super();
      this.fd = descriptor;
      this.isTTY = false;
      this.writable = true;
    }

    write(data, encoding, done) {
      if (typeof data === 'string') internal.print(this.fd, data);
      else internal.writeAll(this.fd, internal.bytesOf(data));
      const after = typeof encoding === 'function' ? encoding : done;
      if (after) internal.nextTick(after);
      return true;
    }

    end(data, encoding, done) {
      if (data !== undefined && typeof data !== 'function') this.write(data);
      const after = [data, encoding, done].find((value) => typeof value === 'function');
      if (after) internal.nextTick(after);
      return this;
    }

    cork() {}

    uncork() {}
  }

  class Input extends EventEmitter {
    fd = 0;
    isTTY = false;
    readable = true;
    #encoding = null;
    #isFlowing = false;
    #left = null;

    // One object for all runs, as modules keep it; each run has an input of its own.
    static begin(input) {
      input.removeAllListeners();
      input.#encoding = null;
      input.#isFlowing = false;
      input.#left = null;
    }

    setEncoding(encoding) {
      this.#encoding = encoding;
      return this;
    }

    #all() {
      const bytes = internal.readAll(0);
      return this.#encoding ? native.decode(bytes) : internal.Buffer.from(bytes);
    }

    on(name, listener) {
      super.on(name, listener);
      if (name === 'data' || name === 'readable') this.#flow(name);
      return this;
    }

    addListener(name, listener) {
      return this.on(name, listener);
    }

    #flow(name) {
      if (this.#isFlowing) return;
      this.#isFlowing = true;
      setImmediate(() => {
        const all = this.#all();
        if (all.length > 0 && name === 'data') this.emit('data', all);
        if (name === 'readable') {
          this.#left = all.length > 0 ? all : null;
          this.emit('readable');
          if (all.length > 0) this.emit('readable');
        }
        this.emit('end');
        this.emit('close');
      });
    }

    read() {
      const given = this.#left;
      this.#left = null;
      return given;
    }

    resume() {
      this.#flow('data');
      return this;
    }

    pause() {
      return this;
    }

    unref() {
      return this;
    }

    ref() {
      return this;
    }

    pipe(into) {
      this.on('data', (data) => into.write(data));
      return into;
    }

    async *[Symbol.asyncIterator]() {
      const all = this.#all();
      if (all.length > 0) yield all;
    }
  }

  // What is left of an exit code: eight bits.
  const statusOf = (code) => Number(code ?? 0) & 0xff;
  const started = () => native.monotonic() - internal.startedAt;
  Object.assign(process, {
    argv: [],
    argv0: 'node',
    execArgv: [],
    execPath: '/usr/bin/node',
    env: {},
    exitCode: undefined,
    title: 'node',
    pid: 1,
    ppid: 0,
    arch: 'wasm32',
    platform: 'linux',
    version: VERSION,
    versions: { node: VERSION.slice(1), quickjs: '0.17.0' },
    release: { name: 'node' },
    config: { target_defaults: {}, variables: {} },
    features: {},
    stdout: new Output(1),
    stderr: new Output(2),
    stdin: new Input(),
    cwd: () => native.here(),
    chdir: (path) => internal.check(native.chdir(String(path)), 'chdir', path),
    umask: (mask) => {
      const before = native.umask(mask === undefined ? 0 : typeof mask === 'string' ? parseInt(mask, 8) : mask);
      if (mask === undefined) native.umask(before);
      return before;
    },
    exit: (code) => {
      process.exitCode = code ?? process.exitCode;
      if (!isExiting) {
        isExiting = true;
        process.emit('exit', Number(process.exitCode ?? 0));
      }
      native.exit(statusOf(process.exitCode));
    },
    abort: () => native.exit(134),
    kill: () => {
      throw internal.coded(Error, 'ENOSYS', 'kill ENOSYS: there are no processes here');
    },
    nextTick: internal.nextTick,
    hrtime: (before) => {
      const now = native.monotonic();
      const [seconds, rest] = [Math.floor(now / 1000), Math.round(now % 1000 * 1e6)];
      if (before === undefined) return [seconds, rest];
      const nanoseconds = rest - before[1];
      return nanoseconds < 0 ? [seconds - before[0] - 1, nanoseconds + 1e9] : [seconds - before[0], nanoseconds];
    },
    uptime: () => started() / 1000,
    memoryUsage: () => {
      const size = native.memory();
      return { rss: size, heapTotal: size, heapUsed: size, external: 0, arrayBuffers: 0 };
    },
    cpuUsage: () => ({ user: Math.round(started() * 1000), system: 0 }),
    resourceUsage: () => ({ userCPUTime: Math.round(started() * 1000), systemCPUTime: 0, maxRSS: native.memory() / 1024 }),
    getuid: () => 1000,
    geteuid: () => 1000,
    getgid: () => 1000,
    getegid: () => 1000,
    emitWarning: (warning, options) => {
      const name = typeof options === 'string' ? options : options?.type ?? warning?.name ?? 'Warning';
      internal.print(2, `(node:1) ${name}: ${warning?.message ?? warning}\n`);
    },
    binding: () => {
      throw new Error('No such module');
    },
  });
  process.hrtime.bigint = () => BigInt(Math.round(native.monotonic() * 1e6));
  process.memoryUsage.rss = () => native.memory();
  internal.define(globalThis, 'process', process);
  internal.process = process;
  internal.builtins.process = () => process;

  let isExiting = false;

  internal.beginProcess = (request) => {
    isExiting = false;
    internal.startedAt = native.monotonic();
    process.exitCode = undefined;
    // Handlers are those of a run.
    process.removeAllListeners();
    Input.begin(process.stdin);
    process.argv = ['/usr/bin/node', '/workspace/main.js', ...(request.args ?? [])];
    process.env = { ...ENVIRONMENT, ...request.env };
    if (native.here() !== '/workspace') native.chdir('/workspace');
  };

  // Something was thrown that the program did not catch: its own handler has it, or
  // the run ends with it.
  internal.uncaught = (error) => {
    if (process.listenerCount('uncaughtException') === 0) throw error;
    process.emit('uncaughtException', error, 'uncaughtException');
  };
  internal.unhandled = (promise, reason) => {
    if (process.listenerCount('unhandledRejection') > 0) process.emit('unhandledRejection', reason, promise);
    else if (process.listenerCount('uncaughtException') > 0) process.emit('uncaughtException', reason, 'unhandledRejection');
    else {
      internal.unhandledReason = { reason };
      throw reason;
    }
  };

  // The end of a run whose program came to its end, or failed: its exit code.
  internal.endProcess = (code) => {
    if (isExiting) return statusOf(process.exitCode);
    if (code >= 0) process.exitCode = code;
    isExiting = true;
    process.emit('exit', Number(process.exitCode ?? 0));
    return statusOf(process.exitCode);
  };
})
