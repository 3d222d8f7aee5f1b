// `require` and `import`: what is here by name, and files of the workspace.
(function (native, internal) {
  'use strict';
  const { path } = internal;
  const made = new Map();
  const cache = Object.create(null);
  const PROGRAM = '/workspace/main.js';
  const EXTENSIONS = ['.js', '.json', '.cjs', '.mjs'];

  // What programs look for and what to use instead.
  const ABSENT = {
    child_process: 'there are no processes here',
    cluster: 'there are no processes here',
    worker_threads: 'there are no threads here: use promises',
    net: 'there is no network here',
    dgram: 'there is no network here',
    dns: 'there is no network here',
    http: 'there is no network here',
    https: 'there is no network here',
    http2: 'there is no network here',
    tls: 'there is no network here',
  };
  for (const name of ['async_hooks', 'diagnostics_channel', 'inspector', 'repl', 'stream', 'string_decoder', 'zlib', 'vm', 'v8', 'wasi', 'tty', 'module', 'readline', 'test', 'sqlite']) {
    ABSENT[name] = 'this module of Node.js is not here yet';
  }

  function builtin(name) {
    const plain = name.startsWith('node:') ? name.slice(5) : name;
    if (!(plain in internal.builtins)) return undefined;
    if (!made.has(plain)) made.set(plain, internal.builtins[plain]());
    return { exports: made.get(plain) };
  }

  function missing(name, from, isImport) {
    const plain = name.startsWith('node:') ? name.slice(5) : name;
    const kind = isImport ? 'ERR_MODULE_NOT_FOUND' : 'MODULE_NOT_FOUND';
    const root = plain.split('/')[0];
    if (Object.hasOwn(ABSENT, root)) return internal.coded(Error, kind, `Cannot find module '${name}': ${ABSENT[root]}`);
    const isFile = /^(\.|\/|file:)/.test(name);
    const what = isFile ? `Cannot find module '${name}' imported from ${from}` : `Cannot find package '${name}': packages of npm cannot be installed here; files of the workspace can be imported ("./name.js")`;
    return internal.coded(Error, kind, isImport || !isFile ? what : `Cannot find module '${name}'\nRequire stack:\n- ${from}`);
  }

  function isFile(name) {
    const found = native.stat(name, true);
    return Array.isArray(found) && (found[0] & 0o170000) === 0o100000;
  }

  // The file that a path means, with an extension or an index where it has none.
  function fileOf(name) {
    if (isFile(name)) return name;
    for (const extension of EXTENSIONS) if (isFile(name + extension)) return name + extension;
    if (isFile(`${name}/package.json`)) {
      const { main } = JSON.parse(native.decode(internal.readFile(`${name}/package.json`, 'open')));
      if (typeof main === 'string') {
        const found = fileOf(path.join(name, main));
        if (found) return found;
      }
    }
    return EXTENSIONS.map((extension) => `${name}/index${extension}`).find(isFile);
  }

  function locate(name, from) {
    if (name.startsWith('file://')) return fileOf(decodeURIComponent(name.slice('file://'.length)));
    if (name.startsWith('/')) return fileOf(path.normalize(name));
    const folder = path.dirname(from);
    if (/^\.\.?(\/|$)/.test(name)) return fileOf(path.join(folder, name));
    // Folders `node_modules` that lie in the workspace, from here upwards.
    for (let at = folder; ; at = path.dirname(at)) {
      const found = fileOf(path.join(at, 'node_modules', name));
      if (found || at === '/') return found;
    }
  }

  function parseJson(text, name) {
    try {
      return JSON.parse(text);
    } catch (error) {
      error.message = `${name}: ${error.message}`;
      throw error;
    }
  }

  function isModule(name, text) {
    if (name.endsWith('.mjs')) return true;
    if (name.endsWith('.cjs') || name.endsWith('.json')) return false;
    return /^\s*(import\s*[\w{*"']|export\s+(default|const|let|var|function|class|async)|export\s*[{*])/m.test(text);
  }

  function run(file) {
    const module = { id: file, filename: file, exports: {}, loaded: false, children: [], paths: [], parent: null };
    cache[file] = module;
    try {
      const text = native.decode(internal.readFile(file, 'open'));
      if (file.endsWith('.json')) {
        module.exports = parseJson(text.replace(/^\ufeff/, ''), file);
      } else {
        if (isModule(file, text)) throw internal.coded(Error, 'ERR_REQUIRE_ESM', `${file} is an ES module: use await import('${file}') or import it`);
        const wrapped = native.compile(`(function (exports, require, module, __filename, __dirname) { ${text.replace(/^#!.*/, '')}\n})`, file);
        wrapped.call(module.exports, module.exports, requireFrom(file), module, file, path.dirname(file));
      }
    } catch (error) {
      delete cache[file];
      throw error;
    }
    module.loaded = true;
    return module;
  }

  function requireFrom(from) {
    const require = (name) => {
      if (typeof name !== 'string') throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "id" argument must be of type string. Received ${internal.received(name)}`);
      const here = builtin(name);
      if (here) return here.exports;
      const file = require.resolve(name);
      return (cache[file] ?? run(file)).exports;
    };
    require.resolve = (name) => {
      if (builtin(name)) return name;
      const file = locate(name, from);
      if (!file) throw missing(name, from, false);
      return file;
    };
    require.cache = cache;
    require.main = main;
    return require;
  }

  // For the engine: the name by which it knows a module.
  internal.resolve = (name, from) => {
    if (builtin(name)) return `node:${name.replace(/^node:/, '')}`;
    const file = locate(name, from.startsWith('/') ? from : PROGRAM);
    if (!file) throw missing(name, from, true);
    return file;
  };

  // For the engine: the text of a module, or an object whose properties are exported.
  internal.load = (name) => {
    const here = name.startsWith('/') ? undefined : builtin(name);
    if (here) return { ...pick(here.exports), default: here.exports };
    const text = native.decode(internal.readFile(name, 'open'));
    if (isModule(name, text)) return text;
    const { exports } = cache[name] ?? run(name);
    return { ...pick(exports), default: exports };
  };

  function pick(exports) {
    if (exports === null || (typeof exports !== 'object' && typeof exports !== 'function')) return {};
    const picked = {};
    for (const key of Object.keys(exports)) {
      if (key !== 'default') picked[key] = exports[key];
    }
    // Methods of what is a class or an emitter, which are not enumerable there.
    if (exports === internal.process) for (const key of ['on', 'once', 'emit', 'off']) picked[key] = exports[key].bind(exports);
    return picked;
  }

  const main = { id: '.', filename: PROGRAM, exports: {}, loaded: false, children: [], paths: [], parent: null };
  for (const [name, value] of Object.entries({ require: requireFrom(PROGRAM), module: main, exports: main.exports, __filename: PROGRAM, __dirname: '/workspace' })) {
    internal.define(globalThis, name, value);
  }
  const names = () => Object.keys(internal.builtins).sort();
  internal.builtins.module = () => ({ createRequire: (from) => requireFrom(String(from).replace(/^file:\/\//, '')), builtinModules: names(), isBuiltin: (name) => builtin(name) !== undefined });
})
