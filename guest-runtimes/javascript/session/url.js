// URL and URLSearchParams, by the URL standard; hosts in Unicode are refused, since
// what they are in ASCII is not known here. And node:url, node:querystring.
(function (native, internal) {
  'use strict';
  const { inspect } = internal;
  const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
  const isSpecial = (scheme) => Object.hasOwn(PORTS, scheme);

  // What is escaped, beside controls and what is not ASCII, in each part.
  const FRAGMENT = ' "<>`';
  const QUERY = ' "#<>';
  const PATH = `${QUERY}?^\`{}`;
  const USER = `${PATH}/:;=@[\\]|`;

  function escape(text, set) {
    let out = '';
    for (const char of text.toWellFormed()) {
      const code = char.codePointAt(0);
      if (code > 0x1f && code < 0x7f && !set.includes(char)) out += char;
      else for (const byte of native.encode(char)) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    }
    return out;
  }

  function unescapeBytes(text) {
    const bytes = native.encode(text.toWellFormed());
    const out = [];
    for (let at = 0; at < bytes.length; at++) {
      const digits = bytes[at] === 37 ? String.fromCharCode(bytes[at + 1], bytes[at + 2]) : '';
      if (/^[0-9a-fA-F]{2}$/.test(digits)) {
        out.push(parseInt(digits, 16));
        at += 2;
      } else {
        out.push(bytes[at]);
      }
    }
    return native.decode(Uint8Array.from(out));
  }

  function invalid(input) {
    return internal.coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL', { input });
  }

  function parseNumber(text) {
    if (text === '') return NaN;
    if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : parseInt(text, 16);
    if (/^0[0-7]+$/.test(text)) return parseInt(text, 8);
    return /^\d+$/.test(text) ? Number(text) : NaN;
  }

  // A host whose last name is a number is an address of four bytes, or wrong.
  function parseV4(host) {
    const names = host.split('.');
    if (names.at(-1) === '' && names.length > 1) names.pop();
    if (!/^(\d+|0x[0-9a-f]*)$/i.test(names.at(-1))) return null;
    const numbers = names.map(parseNumber);
    const last = numbers.pop();
    if (numbers.length > 3 || numbers.some((number) => !(number <= 255)) || !(last < 256 ** (4 - numbers.length))) return undefined;
    const whole = numbers.reduce((sum, number, at) => sum + number * 256 ** (3 - at), last);
    return [24, 16, 8, 0].map((bits) => Math.floor(whole / 2 ** bits) % 256).join('.');
  }

  function parseV6(text) {
    let rest = text;
    const v4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
    if (v4) {
      const bytes = v4.slice(2).map(Number);
      if (bytes.some((byte, at) => byte > 255 || String(byte) !== v4[at + 2])) return undefined;
      rest = `${v4[1]}${(bytes[0] * 256 + bytes[1]).toString(16)}:${(bytes[2] * 256 + bytes[3]).toString(16)}`;
    }
    const halves = rest.split('::');
    if (halves.length > 2) return undefined;
    const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
    const pieces = tail === undefined ? head : [...head, ...Array(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
    if (pieces.length !== 8 || (tail !== undefined && head.length + tail.length > 7) || !pieces.every((piece) => /^[0-9a-f]{1,4}$/i.test(piece))) return undefined;
    const numbers = pieces.map((piece) => parseInt(piece, 16));
    let best = { at: -1, size: 1 };
    for (let at = 0; at < 8; at++) {
      let size = 0;
      while (numbers[at + size] === 0) size++;
      if (size > best.size) best = { at, size };
      at += Math.max(0, size - 1);
    }
    const hex = (list) => list.map((number) => number.toString(16)).join(':');
    return best.at < 0 ? `[${hex(numbers)}]` : `[${hex(numbers.slice(0, best.at))}::${hex(numbers.slice(best.at + best.size))}]`;
  }

  // The host as it is written, or undefined when it cannot be one.
  function parseHost(text, scheme) {
    if (text.startsWith('[')) return text.endsWith(']') ? parseV6(text.slice(1, -1)) : undefined;
    if (!isSpecial(scheme)) return /[\0\t\n\r #/<>?@[\\\]^|]/.test(text) ? undefined : escape(text, '');
    const host = unescapeBytes(text).toLowerCase();
    if (host === '' || /[^\x21-\x7e]|[#%/:<>?@[\\\]^|]/.test(host)) return undefined;
    const v4 = parseV4(host);
    return v4 === null ? host : v4;
  }

  const isDrive = (name) => /^[a-zA-Z][:|]$/.test(name);

  // The names of a path, where `.` and `..` and their escapes mean folders.
  function parsePath(base, text, scheme) {
    const path = [...base];
    const names = text.split(isSpecial(scheme) ? /[/\\]/ : '/');
    names.forEach((name, at) => {
      const isLast = at === names.length - 1;
      const plain = name.replace(/%2e/gi, '.');
      if (plain === '..') {
        if (!(scheme === 'file:' && path.length === 1 && /^[a-zA-Z]:$/.test(path[0]))) path.pop();
        if (isLast) path.push('');
      } else if (plain === '.') {
        if (isLast) path.push('');
      } else {
        path.push(scheme === 'file:' && path.length === 0 && isDrive(name) ? `${name[0]}:` : escape(name, PATH));
      }
    });
    return path;
  }

  function parsePort(text, scheme) {
    if (text === '') return '';
    if (!/^\d+$/.test(text) || Number(text) > 65535) return undefined;
    const port = String(Number(text));
    return port === PORTS[scheme] ? '' : port;
  }

  function parseAuthority(record, text) {
    const at = text.lastIndexOf('@');
    if (at >= 0) {
      const [, user, password] = /^([^:]*)(?::(.*))?$/s.exec(text.slice(0, at));
      record.username = escape(user, USER);
      record.password = escape(password ?? '', USER);
    }
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(text.slice(at + 1)) ?? [];
    if (host === undefined || (host === '' && (isSpecial(record.protocol) || at >= 0 || port !== undefined))) return false;
    record.host = host === '' ? '' : parseHost(host, record.protocol);
    record.port = parsePort(port ?? '', record.protocol);
    return record.host !== undefined && record.port !== undefined;
  }

  // The parts of a URL, or null. `path` is a list of names, or a text where there
  // is no hierarchy.
  function parse(given, base) {
    const text = given.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    const [, body, query, fragment] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text);
    const found = /^([a-zA-Z][a-zA-Z0-9+.-]*):(.*)$/s.exec(body);
    const protocol = found ? `${found[1].toLowerCase()}:` : base?.protocol;
    if (protocol === undefined) return null;
    const record = { protocol, username: '', password: '', host: null, port: '', path: [], query: null, fragment: null };
    const setQuery = (value) => (value === undefined ? null : escape(value.slice(1), isSpecial(protocol) ? `${QUERY}'` : QUERY));
    record.query = setQuery(query);
    record.fragment = fragment === undefined ? null : escape(fragment.slice(1), FRAGMENT);
    const slashes = isSpecial(protocol) ? /^[/\\]+/ : /^\/\//;
    let rest = found ? found[2] : body;
    const isRelative = !found || (base && protocol === base.protocol && isSpecial(protocol) && !/^[/\\]/.test(rest) && typeof base.path !== 'string');
    if (isRelative) return parseRelative(record, rest, query, fragment, base);
    if (protocol === 'file:') return parseFile(record, rest, base?.protocol === 'file:' ? base : undefined);
    if (isSpecial(protocol) || slashes.test(rest)) {
      rest = rest.replace(slashes, '');
      const end = rest.search(isSpecial(protocol) ? /[/\\]/ : /\//);
      if (!parseAuthority(record, end < 0 ? rest : rest.slice(0, end))) return null;
      if (end >= 0) record.path = parsePath([], rest.slice(end + 1), protocol);
      else if (isSpecial(protocol)) record.path = [''];
    } else if (rest.startsWith('/')) {
      record.path = parsePath([], rest.slice(1), protocol);
    } else {
      record.path = escape(rest, '');
    }
    return record;
  }

  function parseRelative(record, rest, query, fragment, base) {
    const { protocol } = record;
    if (typeof base.path === 'string') return rest === '' && query === undefined && fragment !== undefined ? { ...base, fragment: record.fragment } : null;
    const slash = isSpecial(protocol) ? /^[/\\]/ : /^\//;
    const twoSlashes = isSpecial(protocol) ? /^[/\\]{2}/ : /^\/\//;
    if (protocol === 'file:') return parseFile(record, rest, base, query);
    if (twoSlashes.test(rest)) return parse(`${protocol}${rest}${query ?? ''}${fragment ?? ''}`);
    Object.assign(record, { username: base.username, password: base.password, host: base.host, port: base.port });
    if (slash.test(rest)) record.path = parsePath([], rest.slice(1), protocol);
    else if (rest === '') {
      record.path = base.path;
      if (query === undefined) record.query = base.query;
    } else record.path = parsePath(base.path.slice(0, -1), rest, protocol);
    return record;
  }

  function parseFile(record, rest, base, query) {
    record.host = base?.host ?? '';
    const found = /^[/\\]{2}([^/\\]*)(.*)$/s.exec(rest);
    if (found && !isDrive(found[1])) {
      record.host = found[1] === '' ? '' : parseHost(found[1], 'file:');
      if (record.host === undefined) return null;
      if (record.host === 'localhost') record.host = '';
      record.path = parsePath([], found[2].slice(1), 'file:');
    } else if (found || /^[/\\]/.test(rest)) {
      record.path = parsePath([], rest.replace(found ? /^[/\\]{2}/ : /^[/\\]/, ''), 'file:');
    } else if (rest === '' && base) {
      record.path = base.path;
      if (query === undefined) record.query = base.query;
    } else {
      record.path = parsePath(base ? base.path.slice(0, -1) : [], rest, 'file:');
    }
    return record;
  }

  const pathText = ({ path, host }) => (typeof path === 'string' ? path : `${host === null && path.length > 1 && path[0] === '' ? '/.' : ''}${path.map((name) => `/${name}`).join('')}`);

  function serialize(record, withFragment = true) {
    let text = record.protocol;
    if (record.host !== null) {
      text += '//';
      if (record.username || record.password) text += `${record.username}${record.password ? `:${record.password}` : ''}@`;
      text += record.host + (record.port ? `:${record.port}` : '');
    }
    text += pathText(record);
    if (record.query !== null) text += `?${record.query}`;
    return withFragment && record.fragment !== null ? `${text}#${record.fragment}` : text;
  }

  class URL {
    #record;
    #params;

    constructor(input, base) {
      if (arguments.length === 0) throw internal.coded(TypeError, 'ERR_MISSING_ARGS', 'The "url" argument must be specified');
      const start = base === undefined ? undefined : parse(String(base));
      this.#record = start === null ? null : parse(String(input), start);
      if (this.#record === null) throw invalid(String(input));
    }

    static canParse(input, base) {
      return URL.parse(input, base) !== null;
    }

    static parse(input, base) {
      try {
        return new URL(input, base);
      } catch {
        return null;
      }
    }

    get href() {
      return serialize(this.#record);
    }

    set href(value) {
      const record = parse(String(value));
      if (record === null) throw invalid(String(value));
      this.#record = record;
      this.#params?.[reset](record.query ?? '');
    }

    get origin() {
      const { protocol, host, port, path } = this.#record;
      if (protocol === 'blob:' && typeof path === 'string') return URL.parse(path)?.origin ?? 'null';
      return isSpecial(protocol) && protocol !== 'file:' ? `${protocol}//${host}${port ? `:${port}` : ''}` : 'null';
    }

    get protocol() {
      return this.#record.protocol;
    }

    set protocol(value) {
      const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*)(:|$)/.exec(String(value))?.[1].toLowerCase();
      if (!scheme || isSpecial(`${scheme}:`) !== isSpecial(this.#record.protocol)) return;
      this.#record.protocol = `${scheme}:`;
      if (this.#record.port === PORTS[this.#record.protocol]) this.#record.port = '';
    }

    get username() {
      return this.#record.username;
    }

    set username(value) {
      if (this.#record.host) this.#record.username = escape(String(value), USER);
    }

    get password() {
      return this.#record.password;
    }

    set password(value) {
      if (this.#record.host) this.#record.password = escape(String(value), USER);
    }

    get host() {
      const { host, port } = this.#record;
      return host === null ? '' : `${host}${port ? `:${port}` : ''}`;
    }

    set host(value) {
      const [, host, port] = /^(\[[^\]]*\]|[^:/?#\\]*)(?::(\d*))?/.exec(String(value));
      this.hostname = host;
      if (port) this.port = port;
    }

    get hostname() {
      return this.#record.host ?? '';
    }

    set hostname(value) {
      if (typeof this.#record.path === 'string') return;
      const host = parseHost(/^(\[[^\]]*\]|[^:/?#\\]*)/.exec(String(value))[0], this.#record.protocol);
      if (host !== undefined) this.#record.host = host;
    }

    get port() {
      return this.#record.port;
    }

    set port(value) {
      if (!this.#record.host || this.#record.protocol === 'file:') return;
      const port = parsePort(/^\d*/.exec(String(value))[0], this.#record.protocol);
      if (port !== undefined && (port !== '' || String(value) === '' || /^\d/.test(String(value)))) this.#record.port = port;
    }

    get pathname() {
      return pathText(this.#record).replace(/^\/\.(?=\/\/)/, '');
    }

    set pathname(value) {
      if (typeof this.#record.path === 'string') return;
      this.#record.path = parsePath([], String(value).replace(isSpecial(this.#record.protocol) ? /^[/\\]/ : /^\//, ''), this.#record.protocol);
    }

    get search() {
      return this.#record.query ? `?${this.#record.query}` : '';
    }

    set search(value) {
      const text = String(value).replace(/^\?/, '');
      this.#record.query = text === '' ? null : escape(text, isSpecial(this.#record.protocol) ? `${QUERY}'` : QUERY);
      this.#params?.[reset](text);
    }

    get searchParams() {
      if (!this.#params) {
        this.#params = new URLSearchParams(this.#record.query ?? '');
        this.#params[owner] = (text) => { this.#record.query = text === '' ? null : text; };
      }
      return this.#params;
    }

    get hash() {
      return this.#record.fragment ? `#${this.#record.fragment}` : '';
    }

    set hash(value) {
      const text = String(value).replace(/^#/, '');
      this.#record.fragment = text === '' ? null : escape(text, FRAGMENT);
    }

    toString() {
      return this.href;
    }

    toJSON() {
      return this.href;
    }

    [inspect.custom](depth, options) {
      if (depth < 0) return '[URL]';
      const shown = {};
      for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'searchParams', 'hash']) shown[name] = this[name];
      return `URL ${inspect(shown, options)}`;
    }
  }

  const owner = Symbol('owner');
  const reset = Symbol('reset');
  const formEscape = (text) => escape(text, ' !"#$%&\'()+,/:;<=>?@[\\]^`{|}~').replaceAll('%20', '+');
  const formUnescape = (text) => unescapeBytes(text.replaceAll('+', ' '));

  class URLSearchParams {
    #pairs = [];

    constructor(init = '') {
      internal.define(this, owner, undefined);
      if (init !== null && typeof init === 'object') {
        if (typeof init[Symbol.iterator] === 'function') {
          for (const pair of init) {
            const [name, value, ...more] = pair;
            if (value === undefined || more.length > 0) throw internal.coded(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
            this.#pairs.push([String(name), String(value)]);
          }
        } else {
          for (const key of Object.keys(init)) this.#pairs.push([key, String(init[key])]);
        }
      } else {
        this[reset](String(init).replace(/^\?/, ''));
      }
    }

    [reset](text) {
      this.#pairs = text.split('&').filter((part) => part !== '').map((part) => {
        const at = part.indexOf('=');
        return at < 0 ? [formUnescape(part), ''] : [formUnescape(part.slice(0, at)), formUnescape(part.slice(at + 1))];
      });
    }

    #changed() {
      this[owner]?.(this.toString());
    }

    get size() {
      return this.#pairs.length;
    }

    append(name, value) {
      this.#pairs.push([String(name), String(value)]);
      this.#changed();
    }

    delete(name, value) {
      this.#pairs = this.#pairs.filter(([key, member]) => key !== String(name) || (value !== undefined && member !== String(value)));
      this.#changed();
    }

    get(name) {
      return this.#pairs.find(([key]) => key === String(name))?.[1] ?? null;
    }

    getAll(name) {
      return this.#pairs.filter(([key]) => key === String(name)).map(([, value]) => value);
    }

    has(name, value) {
      return this.#pairs.some(([key, member]) => key === String(name) && (value === undefined || member === String(value)));
    }

    set(name, value) {
      const at = this.#pairs.findIndex(([key]) => key === String(name));
      if (at < 0) this.#pairs.push([String(name), String(value)]);
      else {
        this.#pairs[at][1] = String(value);
        this.#pairs = this.#pairs.filter(([key], index) => index <= at || key !== String(name));
      }
      this.#changed();
    }

    sort() {
      this.#pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
      this.#changed();
    }

    forEach(callback, self) {
      for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
    }

    *entries() {
      for (const [name, value] of this.#pairs) yield [name, value];
    }

    *keys() {
      for (const [name] of this.#pairs) yield name;
    }

    *values() {
      for (const [, value] of this.#pairs) yield value;
    }

    [Symbol.iterator]() {
      return this.entries();
    }

    toString() {
      return this.#pairs.map(([name, value]) => `${formEscape(name)}=${formEscape(value)}`).join('&');
    }

    [inspect.custom](depth, options) {
      const shown = this.#pairs.map(([name, value]) => `${inspect(name, options)} => ${inspect(value, options)}`);
      return shown.length > 0 ? `URLSearchParams { ${shown.join(', ')} }` : 'URLSearchParams {}';
    }
  }
  for (const type of [URL, URLSearchParams]) Object.defineProperty(type.prototype, Symbol.toStringTag, { value: type.name, configurable: true });

  const querystring = {
    parse: (text) => {
      const found = Object.create(null);
      for (const [name, value] of new URLSearchParams(String(text))) found[name] = name in found ? [found[name], value].flat() : value;
      return found;
    },
    stringify: (values) => Object.entries(values ?? {}).flatMap(([name, value]) => [value].flat().map((member) => `${encodeURIComponent(name)}=${encodeURIComponent(member ?? '')}`)).join('&'),
    escape: encodeURIComponent,
    unescape: unescapeBytes,
  };
  for (const [name, value] of Object.entries({ URL, URLSearchParams })) internal.define(globalThis, name, value);
  internal.builtins.url = () => ({
    URL, URLSearchParams,
    fileURLToPath: (url) => {
      const { protocol, pathname } = new URL(String(url));
      if (protocol !== 'file:') throw internal.coded(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
      return decodeURIComponent(pathname);
    },
    pathToFileURL: (path) => new URL(`file://${escape(internal.path.resolve(path), `${PATH}%\\`)}`),
    urlToHttpOptions: (url) => ({ protocol: url.protocol, hostname: url.hostname, path: url.pathname + url.search, href: url.href }),
  });
  internal.builtins.querystring = () => querystring;
})
