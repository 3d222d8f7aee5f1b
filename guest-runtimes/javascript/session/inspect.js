// Values as text, the way programs for Node.js expect to see them: `inspect` and
// `format` of node:util. Nothing of a value is called, except what it offers for
// this under Symbol.for('nodejs.util.inspect.custom').
(function (native, internal) {
  'use strict';
  const custom = Symbol.for('nodejs.util.inspect.custom');
  const DEFAULTS = {
    showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100,
    maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
  };
  const PLAIN_KEY = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
  const ESCAPED = /[\x00-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
  const ALL_ESCAPED = new RegExp(ESCAPED.source, 'g');
  const SHORT = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\', "'": "\\'" };
  // Lists of at most so many entries are not set in columns.
  const FEW_ENTRIES = 6;
  const typedArrayTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

  function quote(text) {
    let mark = "'";
    if (text.includes("'")) {
      if (!text.includes('"')) mark = '"';
      else if (!text.includes('`') && !text.includes('${')) mark = '`';
    }
    if (!ESCAPED.test(text)) return mark + text + mark;
    const escaped = text.replace(ALL_ESCAPED, (char) => {
      if (char === "'" && mark !== "'") return char;
      if (SHORT[char]) return SHORT[char];
      const code = char.charCodeAt(0);
      return code < 256 ? '\\x' + code.toString(16).toUpperCase().padStart(2, '0') : '\\u' + code.toString(16).toUpperCase();
    });
    return mark + escaped + mark;
  }

  function formatText(state, text, isTop) {
    let cut = '';
    if (text.length > state.maxStringLength) {
      const left = text.length - state.maxStringLength;
      text = text.slice(0, state.maxStringLength);
      cut = `... ${left} more character${left > 1 ? 's' : ''}`;
    }
    if (!isTop && text.length > 16 && text.length > state.breakLength - state.indentation - 4 && text.includes('\n')) {
      const lines = text.split(/(?<=\n)/);
      return lines.map(quote).join(` +\n${' '.repeat(state.indentation + 2)}`) + cut;
    }
    return quote(text) + cut;
  }

  function formatNumber(state, number) {
    if (Object.is(number, -0)) return '-0';
    const text = String(number);
    if (!state.numericSeparator || !/^-?\d{4,}(\.\d*)?$/.test(text)) return text;
    return text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, '_'));
  }

  function formatPrimitive(state, value, isTop) {
    switch (typeof value) {
      case 'string': return formatText(state, value, isTop);
      case 'number': return formatNumber(state, value);
      case 'bigint': return `${value}n`;
      case 'symbol': return Symbol.prototype.toString.call(value);
      default: return String(value);
    }
  }

  // The class of an object, by the constructor that its prototypes name.
  function classOf(value) {
    let depth = 0;
    for (let at = value; at !== null; at = Object.getPrototypeOf(at), depth++) {
      const found = Reflect.getOwnPropertyDescriptor(at, 'constructor');
      if (found && typeof found.value === 'function' && found.value.name !== '' && isInstance(value, found.value)) {
        return found.value.name;
      }
    }
    return null;
  }

  function isInstance(value, constructor) {
    const { prototype } = constructor;
    for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
      if (at === prototype) return true;
    }
    return false;
  }

  function tagOf(value, name) {
    let tag;
    try {
      tag = value[Symbol.toStringTag];
    } catch {
      return '';
    }
    return typeof tag === 'string' && tag !== '' && tag !== name ? tag : '';
  }

  function prefix(name, tag, fallback, size = '') {
    const own = name === null ? `[${fallback}${size}: null prototype] ` : `${name}${size} `;
    return tag && tag !== name && !(name === null && tag === fallback) ? `${own}[${tag}] ` : own;
  }

  function keysOf(state, value) {
    if (state.showHidden) return Reflect.ownKeys(value);
    const keys = Object.keys(value);
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      if (Object.prototype.propertyIsEnumerable.call(value, symbol)) keys.push(symbol);
    }
    return keys;
  }

  const isIndex = (key) => typeof key === 'string' && /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < 4294967295;

  function formatKey(key, isEnumerable) {
    if (typeof key === 'symbol') return `[${Symbol.prototype.toString.call(key)}]`;
    const text = key === '__proto__' ? "['__proto__']" : PLAIN_KEY.test(key) ? key : quote(key);
    return isEnumerable ? text : `[${key}]`;
  }

  function formatProperty(state, value, key, level, isElement) {
    const found = Reflect.getOwnPropertyDescriptor(value, key) ?? { value: value[key], enumerable: true };
    let text;
    if ('value' in found) {
      state.indentation += 2;
      text = formatValue(state, found.value, level);
      state.indentation -= 2;
    } else if (found.get) {
      text = found.set ? '[Getter/Setter]' : '[Getter]';
    } else {
      text = found.set ? '[Setter]' : 'undefined';
    }
    return isElement ? text : `${formatKey(key, found.enumerable)}: ${text}`;
  }

  const more = (count, what) => `... ${count} more ${what}${count > 1 ? 's' : ''}`;

  function formatElements(state, value, level) {
    const output = [];
    const most = Math.max(0, Math.min(state.maxArrayLength, value.length));
    let at = 0;
    while (at < value.length && output.length < most) {
      if (Object.hasOwn(value, at)) {
        output.push(formatProperty(state, value, at++, level, true));
        continue;
      }
      const start = at;
      while (at < value.length && !Object.hasOwn(value, at)) at++;
      output.push(`<${at - start} empty item${at - start > 1 ? 's' : ''}>`);
    }
    if (at < value.length) output.push(more(value.length - at, 'item'));
    return output;
  }

  function formatTyped(state, value) {
    const most = Math.max(0, Math.min(state.maxArrayLength, value.length));
    const output = [];
    for (let at = 0; at < most; at++) output.push(formatPrimitive(state, value[at]));
    if (most < value.length) output.push(more(value.length - most, 'item'));
    return output;
  }

  function formatMembers(state, members, level, formatMember) {
    const output = [];
    let left = 0;
    state.indentation += 2;
    for (const member of members) {
      if (output.length >= state.maxArrayLength) left++;
      else output.push(formatMember(member));
    }
    state.indentation -= 2;
    if (left > 0) output.push(more(left, 'item'));
    return output;
  }

  function formatBytes(state, buffer) {
    const bytes = new Uint8Array(buffer);
    const most = Math.min(Math.max(0, state.maxArrayLength), bytes.length);
    let text = '';
    for (let at = 0; at < most; at++) text += (at ? ' ' : '') + bytes[at].toString(16).padStart(2, '0');
    if (most < bytes.length) text += ` ... ${bytes.length - most} more byte${bytes.length - most > 1 ? 's' : ''}`;
    return `<${text}>`;
  }

  function functionBase(value, name, tag) {
    const source = Function.prototype.toString.call(value);
    if (source.startsWith('class') && source.endsWith('}')) {
      let text = `[class ${Object.hasOwn(value, 'name') && value.name ? value.name : '(anonymous)'}`;
      if (name !== 'Function' && name !== null) text += ` [${name}]`;
      const parent = Object.getPrototypeOf(value);
      if (parent === null) text += ' extends [null prototype]';
      else if (typeof parent === 'function' && parent.name) text += ` extends ${parent.name}`;
      return `${text}]`;
    }
    const kinds = { generator_function: 'GeneratorFunction', async_function: 'AsyncFunction', async_generator_function: 'AsyncGeneratorFunction' };
    const kind = native.kind(value);
    const type = kinds[kind] ?? (/^(Async)?(Generator)?Function$/.test(kind) ? kind : 'Function');
    let text = `[${type}`;
    if (name === null) text += ' (null prototype)';
    text += value.name === '' || typeof value.name !== 'string' ? ' (anonymous)' : `: ${value.name}`;
    text += ']';
    if (name !== type && name !== null && name !== 'Function') text += ` ${name}`;
    return tag && tag !== type && name !== tag ? `${text} [${tag}]` : text;
  }

  // The stack, with what the error calls itself now.
  function errorText(value) {
    const name = value.name === undefined || value.name === null ? 'Error' : String(value.name);
    const message = String(value.message ?? '');
    let stack = typeof value.stack === 'string' && value.stack ? value.stack.trimEnd() : '';
    const header = message ? `${name}: ${message}` : name;
    if (!stack) return `[${header}]`;
    // The class says more than the name that it had when it was made.
    const own = classOf(value) ?? name;
    const first = /^([A-Z][A-Za-z0-9_]*)(?=$|[:\n])/.exec(stack);
    if (first && name === 'Error' && own !== 'Error' && first[1] === 'Error') {
      stack = (own.includes('Error') ? own : `${own} [Error]`) + stack.slice('Error'.length);
    } else if (first && first[1] !== name && stack.startsWith(`${first[1]}${message ? ': ' + message : ''}`)) {
      stack = name + stack.slice(first[1].length);
    }
    if (!/\n {4}at /.test(stack)) stack = `[${stack}]`;
    return stack;
  }

  function errorBase(state, value, keys) {
    for (const name of ['name', 'message', 'stack']) {
      const at = keys.indexOf(name);
      if (at >= 0 && (name === 'stack' || errorText(value).includes(String(value[name])))) keys.splice(at, 1);
    }
    for (const name of ['cause', 'errors']) {
      if (Object.hasOwn(value, name) && !keys.includes(name)) keys.push(name);
    }
    const text = errorText(value);
    return state.indentation === 0 ? text : text.replaceAll('\n', `\n${' '.repeat(state.indentation)}`);
  }

  // How an object of one kind looks: its braces, what stands before them, and its
  // entries before its keys.
  function shapeOf(state, value, kind, name, tag, level) {
    const go = (member) => formatValue(state, member, level);
    const none = () => [];
    if (Array.isArray(value)) {
      const lead = name !== 'Array' || tag ? prefix(name, tag, 'Array', `(${value.length})`) : '';
      return { open: `${lead}[`, close: ']', isList: true, entries: () => formatElements(state, value, level) };
    }
    if (ArrayBuffer.isView(value) && kind !== 'DataView') {
      const type = typedArrayTag.call(value);
      return { open: `${prefix(name, tag === type ? '' : tag, type, `(${value.length})`)}[`, close: ']', isList: true, entries: () => formatTyped(state, value) };
    }
    const braces = (fallback, size = '') => ({ open: `${prefix(name, tag === fallback ? '' : tag, fallback, size)}{`, close: '}' });
    switch (kind) {
      case 'Map':
        return { ...braces('Map', `(${value.size})`), entries: () => formatMembers(state, Map.prototype.entries.call(value), level, ([key, member]) => `${go(key)} => ${go(member)}`) };
      case 'Set':
        return { ...braces('Set', `(${value.size})`), entries: () => formatMembers(state, Set.prototype.values.call(value), level, go) };
      case 'ArrayBuffer': case 'SharedArrayBuffer':
        return { ...braces(kind), entries: () => [`[Uint8Contents]: ${formatBytes(state, value)}`, `byteLength: ${value.byteLength}`] };
      case 'DataView':
        return { ...braces(kind), entries: () => ['byteLength', 'byteOffset', 'buffer'].map((key) => `${key}: ${go(value[key])}`) };
      case 'Promise': {
        const [settled, result] = native.promise(value);
        const text = () => {
          state.indentation += 2;
          const shown = go(result);
          state.indentation -= 2;
          return settled === 2 ? `<rejected> ${shown}` : shown;
        };
        return { ...braces(kind), entries: () => [settled === 0 ? '<pending>' : text()] };
      }
      case 'WeakMap': case 'WeakSet':
        return { ...braces(kind), entries: () => ['<items unknown>'] };
      case 'WeakRef': {
        const target = WeakRef.prototype.deref.call(value);
        return { ...braces(kind), entries: () => [target === undefined ? '<cleared>' : go(target)] };
      }
      case 'Module':
        return { open: '[Module: null prototype] {', close: '}', entries: none };
    }
    if (/^(Map|Set|Array|String|RegExp String) Iterator$/.test(kind)) {
      return { open: `Object [${kind}] {`, close: '}', entries: none };
    }
    if (kind === 'Generator' || kind === 'AsyncGenerator') return { open: `Object [${kind}] {`, close: '}', entries: none };
    if (kind === 'Arguments') return { open: '[Arguments] [', close: ']', isList: true, entries: () => formatElements(state, value, level) };
    const lead = name === 'Object' && !tag ? '' : prefix(name, tag, 'Object');
    return { open: `${lead}{`, close: '}', isPlain: true, entries: none };
  }

  // What stands for an object alone, or before its braces.
  function baseOf(state, value, kind, name, tag, keys) {
    if (typeof value === 'function') return functionBase(value, name, tag);
    switch (kind) {
      case 'Error': return errorBase(state, value, keys);
      case 'RegExp': return RegExp.prototype.toString.call(value);
      case 'Date': {
        const time = Date.prototype.getTime.call(value);
        const text = Number.isNaN(time) ? 'Invalid Date' : Date.prototype.toISOString.call(value);
        return name === 'Date' ? text : `${prefix(name, tag, 'Date')}${text}`;
      }
      case 'Number': case 'String': case 'Boolean': case 'Symbol': case 'BigInt': {
        const shown = formatPrimitive(state, Object.getPrototypeOf(Object(value)) && value.valueOf(), true);
        const type = name === kind ? kind : `${kind} (${name ?? 'null prototype'})`;
        return `[${type}: ${shown}]`;
      }
    }
    return '';
  }

  function formatRaw(state, value, level, kind) {
    const name = classOf(value);
    const tag = tagOf(value, name);
    let keys = keysOf(state, value);
    const base = baseOf(state, value, kind, name, tag, keys);
    if (kind === 'String') keys = keys.filter((key) => !isIndex(key));
    if (base !== '' && keys.length === 0) return base;
    const shape = base === '' ? shapeOf(state, value, kind, name, tag, level + 1) : { open: '{', close: '}', entries: () => [] };
    if (shape.isList) keys = keys.filter((key) => !isIndex(key));
    const isEmpty = keys.length === 0 && (shape.isList ? value.length === 0 : shape.isPlain || value.size === 0);
    if (level > state.depth && !isEmpty) {
      return `[${Array.isArray(value) ? 'Array' : (name ?? 'Object: null prototype')}${tag && name ? ` [${tag}]` : ''}]`;
    }
    if (isEmpty && base === '') return `${shape.open}${shape.close}`;
    state.seen.push(value);
    state.currentLevel = level;
    const output = shape.entries().concat(keys.map((key) => formatProperty(state, value, key, level + 1, false)));
    state.seen.pop();
    const reference = state.circular.get(value);
    const mark = reference === undefined ? '' : `<ref *${reference}> `;
    if (state.sorted) output.sort(typeof state.sorted === 'function' ? state.sorted : undefined);
    if (output.length === 0) return `${mark}${base ? base : `${shape.open}${shape.close}`}`;
    return join(state, output, mark + base, shape, level, value);
  }

  function join(state, output, base, shape, level, value) {
    const lead = base.endsWith(' ') || base === '' ? base : `${base} `;
    const count = output.length;
    if (state.compact !== false && shape.isList && count > FEW_ENTRIES) output = inColumns(state, output, value);
    if (state.compact !== false && state.currentLevel - level < Number(state.compact) && count === output.length) {
      const start = output.length + state.indentation + shape.open.length + base.length + 10;
      let total = output.length + start;
      for (const entry of output) total += entry.length;
      if (total <= state.breakLength && !base.includes('\n') && !output.some((entry) => entry.includes('\n'))) {
        return `${lead}${shape.open} ${output.join(', ')} ${shape.close}`;
      }
    }
    const indentation = `\n${' '.repeat(state.indentation)}`;
    return `${lead}${shape.open}${indentation}  ${output.join(`,${indentation}  `)}${indentation}${shape.close}`;
  }

  // Many short entries become lines of columns, about two and a half times as wide as high.
  function inColumns(state, output, value) {
    const hasRest = state.maxArrayLength < output.length;
    const count = hasRest ? output.length - 1 : output.length;
    const lengths = output.slice(0, count).map((entry) => entry.length);
    const longest = Math.max(...lengths) + 2;
    const total = lengths.reduce((sum, length) => sum + length + 2, 0);
    if (longest * 3 + state.indentation >= state.breakLength) return output;
    if (total / longest <= 5 && longest - 2 > 6) return output;
    const width = Math.max(longest - 3 - Math.sqrt(longest - total / output.length), 1);
    const columns = Math.min(Math.round(Math.sqrt(2.5 * width * count) / width), Math.floor((state.breakLength - state.indentation) / longest), Number(state.compact) * 4, 15);
    if (columns <= 1) return output;
    const widths = [];
    for (let column = 0; column < columns; column++) {
      let most = 0;
      for (let at = column; at < count; at += columns) most = Math.max(most, lengths[at]);
      widths.push(most + 2);
    }
    const isNumeric = Array.prototype.every.call(value, (entry) => typeof entry === 'number' || typeof entry === 'bigint');
    const lines = [];
    for (let start = 0; start < count; start += columns) {
      const row = output.slice(start, Math.min(start + columns, count));
      lines.push(row.map((entry, column) => {
        const isLast = column === row.length - 1;
        if (isNumeric) return isLast ? entry.padStart(widths[column] - 2) : `${entry}, `.padStart(widths[column]);
        return isLast ? entry : `${entry}, `.padEnd(widths[column]);
      }).join(''));
    }
    if (hasRest) lines.push(output[count]);
    return lines;
  }

  function formatValue(state, value, level, isTop = false) {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return formatPrimitive(state, value, isTop);
    let kind = native.kind(value);
    if (kind === 'Proxy') {
      const target = native.target(value);
      if (target === null || target === undefined) return '<Revoked Proxy>';
      if (state.showProxy) return `Proxy [ ${formatValue(state, target, level)} ]`;
      value = target;
      kind = native.kind(value);
      if (kind === 'Proxy') return formatValue(state, value, level);
    }
    if (state.customInspect) {
      const own = value[custom];
      if (typeof own === 'function' && own !== inspect && !(value.constructor && value.constructor.prototype === value)) {
        const left = state.depth - level;
        const answer = own.call(value, left, { ...state.options, depth: left, stylize: String }, inspect);
        if (answer !== value) {
          if (typeof answer !== 'string') return formatValue(state, answer, level);
          return answer.replaceAll('\n', `\n${' '.repeat(state.indentation)}`);
        }
      }
    }
    if (state.seen.includes(value)) {
      if (!state.circular.has(value)) state.circular.set(value, state.circular.size + 1);
      return `[Circular *${state.circular.get(value)}]`;
    }
    return formatRaw(state, value, level, kind);
  }

  const unlimited = (most) => (most === null || most === undefined ? Infinity : most);

  function inspect(value, options, ...old) {
    if (typeof options === 'boolean') options = { showHidden: options, depth: old[0] };
    const chosen = { ...DEFAULTS, ...inspect.defaultOptions, ...options };
    const state = {
      ...chosen, options: chosen, depth: unlimited(chosen.depth), maxArrayLength: unlimited(chosen.maxArrayLength),
      maxStringLength: unlimited(chosen.maxStringLength), seen: [], circular: new Map(), indentation: 0, currentLevel: 0,
    };
    return formatValue(state, value, 0, true);
  }
  inspect.custom = custom;
  inspect.defaultOptions = {};

  function textOf(value) {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'number') return formatNumber({}, value);
    if (typeof value !== 'object' || value === null) return String(value);
    const own = value.toString;
    const isPlain = own === Object.prototype.toString || own === Error.prototype.toString || own === Array.prototype.toString || typeof own !== 'function';
    return isPlain || native.kind(value) === 'Date' ? inspect(value, { depth: 0, compact: 3 }) : String(value);
  }

  function directive(char, value) {
    switch (char) {
      case 's': return textOf(value);
      case 'd': return typeof value === 'bigint' ? `${value}n` : typeof value === 'symbol' || typeof value === 'object' ? formatNumber({}, Number(typeof value === 'object' ? value : NaN)) : formatNumber({}, Number(value));
      case 'i': return typeof value === 'bigint' ? `${value}n` : typeof value === 'symbol' ? 'NaN' : formatNumber({}, parseInt(value));
      case 'f': return typeof value === 'symbol' ? 'NaN' : formatNumber({}, parseFloat(value));
      case 'j':
        try {
          return JSON.stringify(value);
        } catch (error) {
          if (/circular/i.test(error.message)) return '[Circular]';
          throw error;
        }
      case 'o': return inspect(value, { showHidden: true, showProxy: true, depth: 4 });
      case 'O': return inspect(value);
      case 'c': return '';
    }
  }

  function format(...values) {
    let text = '';
    let at = 0;
    if (typeof values[0] === 'string') {
      at = 1;
      text = values.length === 1 ? values[0] : values[0].replace(/%([sdifjoOc%])/g, (whole, char) => {
        if (char === '%') return '%';
        return at < values.length ? directive(char, values[at++]) : whole;
      });
      if (values.length === 1) return text;
    }
    for (; at < values.length; at++) {
      if (at > 0) text += ' ';
      text += typeof values[at] === 'string' ? values[at] : inspect(values[at]);
    }
    return text;
  }

  Object.assign(internal, { inspect, format, classOf });
})
