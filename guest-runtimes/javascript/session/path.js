// node:path, for paths as they are here: those of POSIX.
(function (native, internal) {
  'use strict';

  function check(path, name = 'path') {
    if (typeof path === 'string') return;
    throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be of type string. Received ${internal.received(path)}`);
  }

  internal.received = (value) => {
    if (value === undefined || value === null) return String(value);
    if (typeof value === 'function') return `function ${value.name}`;
    if (typeof value === 'object') return value.constructor?.name ? `an instance of ${value.constructor.name}` : internal.inspect(value, { depth: -1 });
    return `type ${typeof value} (${internal.inspect(value).slice(0, 28)})`;
  };

  // The names of a path without `.`, and without `..` where a name is before it.
  function parts(path, isAbsolute) {
    const kept = [];
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      if (name !== '..') kept.push(name);
      else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
      else if (!isAbsolute) kept.push(name);
    }
    return kept;
  }

  function normalize(path) {
    check(path);
    if (path === '') return '.';
    const isAbsolute = path.startsWith('/');
    let text = parts(path, isAbsolute).join('/');
    if (text !== '' && path.endsWith('/')) text += '/';
    if (isAbsolute) return `/${text}`;
    return text || (path.endsWith('/') ? './' : '.');
  }

  function join(...paths) {
    paths.forEach((path) => check(path));
    const text = paths.filter((path) => path !== '').join('/');
    return text === '' ? '.' : normalize(text);
  }

  function resolve(...paths) {
    let text = '';
    for (let at = paths.length - 1; at >= 0 && !text.startsWith('/'); at--) {
      check(paths[at], `paths[${at}]`);
      if (paths[at] !== '') text = text === '' ? paths[at] : `${paths[at]}/${text}`;
    }
    if (!text.startsWith('/')) text = `${native.here()}/${text}`;
    return `/${parts(text, true).join('/')}`;
  }

  function relative(from, to) {
    check(from, 'from');
    check(to, 'to');
    const start = parts(resolve(from), true);
    const end = parts(resolve(to), true);
    let same = 0;
    while (same < start.length && same < end.length && start[same] === end[same]) same++;
    return [...start.slice(same).map(() => '..'), ...end.slice(same)].join('/');
  }

  function dirname(path) {
    check(path);
    const trimmed = path.replace(/(?<=.)\/+$/, '');
    const at = trimmed.lastIndexOf('/');
    if (at < 0) return '.';
    return trimmed.slice(0, at).replace(/\/+$/, '') || '/';
  }

  function basename(path, suffix) {
    check(path);
    const name = path.replace(/\/+$/, '').split('/').at(-1);
    return suffix !== undefined && name !== suffix && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name;
  }

  function extname(path) {
    const name = basename(path);
    const at = name.lastIndexOf('.');
    return at <= 0 || /^\.+$/.test(name.slice(0, at + 1)) && name.slice(0, at + 1).length === name.length && name === '..' ? '' : name.slice(at);
  }

  function parse(path) {
    check(path);
    const root = path.startsWith('/') ? '/' : '';
    const base = basename(path);
    const ext = extname(path);
    const dir = dirname(path);
    return { root, dir: dir === '.' && !/^\.\//.test(path) ? '' : dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
  }

  function format(parsed) {
    const base = parsed.base || `${parsed.name ?? ''}${parsed.ext ? (parsed.ext.startsWith('.') ? '' : '.') + parsed.ext : ''}`;
    const dir = parsed.dir || parsed.root;
    if (!dir) return base;
    return dir === parsed.root ? dir + base : `${dir}/${base}`;
  }

  const path = {
    normalize, join, resolve, relative, dirname, basename, extname, parse, format,
    isAbsolute: (text) => {
      check(text);
      return text.startsWith('/');
    },
    toNamespacedPath: (text) => text,
    matchesGlob: (text, pattern) => internal.glob(pattern).test(text),
    sep: '/',
    delimiter: ':',
  };
  path.posix = path;
  // As a regular expression: `**` passes folders, `*` and `?` do not.
  internal.glob = (pattern) => new RegExp(`^${pattern.replace(/\*\*\/|\*\*|\*|\?|\{[^}]*\}|[.+^$()|[\]\\]/g, (found) => {
    if (found === '**/') return '(?:.*/)?';
    if (found === '**') return '.*';
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    if (found.startsWith('{')) return `(?:${found.slice(1, -1).split(',').join('|')})`;
    return `\\${found}`;
  })}$`);
  internal.path = path;
  internal.builtins.path = () => path;
  internal.builtins['path/posix'] = () => path;
})
