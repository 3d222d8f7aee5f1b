// Buffer of node:buffer.
(function (native, internal) {
  'use strict';
  const { bytesOf } = internal;
  const kStringMaxLength = 536870888;

  function encodingOf(encoding) {
    const name = encoding === undefined || encoding === null || encoding === '' ? 'utf8' : String(encoding).toLowerCase();
    switch (name) {
      case 'utf8': case 'utf-8': return 'utf8';
      case 'hex': case 'base64': case 'base64url': case 'ascii': return name;
      case 'latin1': case 'binary': return 'latin1';
      case 'utf16le': case 'utf-16le': case 'ucs2': case 'ucs-2': return 'utf16le';
    }
    throw internal.coded(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  }

  function fromText(text, encoding) {
    switch (encodingOf(encoding)) {
      case 'utf8': return native.encode(text.toWellFormed());
      case 'base64': case 'base64url': return internal.fromBase64(text);
      case 'utf16le': return internal.fromUtf16(text);
      case 'hex': {
        const digits = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
        return Uint8Array.from({ length: digits.length / 2 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
      }
      default: return Uint8Array.from(text, (char) => char.charCodeAt(0));
    }
  }

  function toText(bytes, encoding) {
    switch (encodingOf(encoding)) {
      case 'utf8': return native.decode(bytes);
      case 'hex': {
        let text = '';
        for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
        return text;
      }
      case 'base64': return internal.toBase64(bytes);
      case 'base64url': return internal.toBase64(bytes, true);
      case 'utf16le': return internal.utf16(bytes.length % 2 ? bytes.subarray(0, -1) : bytes);
      case 'ascii': return internal.latin1(bytes.map((byte) => byte & 0x7f));
      default: return internal.latin1(bytes);
    }
  }

  const own = (bytes) => new FastBuffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  class FastBuffer extends Uint8Array {
    // As Uint8Array makes what its methods give back.
    static get [Symbol.species]() {
      return FastBuffer;
    }

    toString(encoding, start = 0, end = this.length) {
      const first = Math.max(0, start);
      const last = Math.min(end, this.length);
      return first >= last ? '' : toText(this.subarray(first, last), encoding);
    }

    toLocaleString(encoding) {
      return this.toString(encoding);
    }

    toJSON() {
      return { type: 'Buffer', data: Array.from(this) };
    }

    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }

    compare(other, start = 0, end = other.length, ownStart = 0, ownEnd = this.length) {
      return compare(this.subarray(ownStart, ownEnd), other.subarray(start, end));
    }

    slice(start, end) {
      return this.subarray(start, end);
    }

    write(text, offset, length, encoding) {
      if (typeof offset === 'string') [encoding, offset, length] = [offset, 0, undefined];
      else if (typeof length === 'string') [encoding, length] = [length, undefined];
      const at = offset ?? 0;
      const bytes = fromText(text, encoding).subarray(0, Math.min(length ?? Infinity, this.length - at));
      this.set(bytes, at);
      return bytes.length;
    }

    copy(target, targetStart = 0, start = 0, end = this.length) {
      const bytes = this.subarray(start, Math.min(end, start + target.length - targetStart));
      target.set(bytes, targetStart);
      return bytes.length;
    }

    fill(value, start, end, encoding) {
      if (typeof start === 'string') [encoding, start, end] = [start, 0, this.length];
      else if (typeof end === 'string') [encoding, end] = [end, this.length];
      if (typeof value === 'number' || typeof value === 'boolean') return super.fill(Number(value) & 255, start, end);
      const bytes = typeof value === 'string' ? fromText(value, encoding) : bytesOf(value);
      if (bytes.length === 0) return super.fill(0, start, end);
      for (let at = start ?? 0, from = 0; at < (end ?? this.length); at++, from++) this[at] = bytes[from % bytes.length];
      return this;
    }

    indexOf(value, offset = 0, encoding) {
      return find(this, value, offset, encoding, 1);
    }

    lastIndexOf(value, offset = this.length, encoding) {
      return find(this, value, offset, encoding, -1);
    }

    includes(value, offset, encoding) {
      return this.indexOf(value, offset, encoding) >= 0;
    }

    swap16() {
      return swap(this, 2);
    }

    swap32() {
      return swap(this, 4);
    }

    swap64() {
      return swap(this, 8);
    }

    readUIntBE(offset, size) {
      let value = 0;
      for (let at = 0; at < size; at++) value = value * 256 + this[offset + at];
      return value;
    }

    readUIntLE(offset, size) {
      let value = 0;
      for (let at = size - 1; at >= 0; at--) value = value * 256 + this[offset + at];
      return value;
    }

    readIntBE(offset, size) {
      const value = this.readUIntBE(offset, size);
      return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    }

    readIntLE(offset, size) {
      const value = this.readUIntLE(offset, size);
      return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    }

    writeUIntBE(value, offset, size) {
      for (let at = size - 1, left = value < 0 ? value + 2 ** (8 * size) : value; at >= 0; at--, left = Math.floor(left / 256)) this[offset + at] = left % 256;
      return offset + size;
    }

    writeUIntLE(value, offset, size) {
      for (let at = 0, left = value < 0 ? value + 2 ** (8 * size) : value; at < size; at++, left = Math.floor(left / 256)) this[offset + at] = left % 256;
      return offset + size;
    }

    writeIntBE(value, offset, size) {
      return this.writeUIntBE(value, offset, size);
    }

    writeIntLE(value, offset, size) {
      return this.writeUIntLE(value, offset, size);
    }

    [internal.inspect.custom]() {
      const shown = Array.from(this.subarray(0, 50), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
      const left = this.length - 50;
      return `<Buffer${shown ? ` ${shown}` : ''}${left > 0 ? ` ... ${left} more byte${left > 1 ? 's' : ''}` : ''}>`;
    }
  }

  // readInt32LE and the like, by the names that DataView has for them.
  const KINDS = { Int8: 1, Uint8: 1, Int16: 2, Uint16: 2, Int32: 4, Uint32: 4, BigInt64: 8, BigUint64: 8, Float32: 4, Float64: 8 };
  const CALLED = { Float32: 'Float', Float64: 'Double' };
  for (const [kind, size] of Object.entries(KINDS)) {
    const view = (buffer, offset) => {
      if (!Number.isInteger(offset) || offset < 0 || offset + size > buffer.length) {
        const most = buffer.length - size;
        throw internal.coded(RangeError, most < 0 ? 'ERR_BUFFER_OUT_OF_BOUNDS' : 'ERR_OUT_OF_RANGE', most < 0 ? 'Attempt to access memory outside buffer bounds' : `The value of "offset" is out of range. It must be >= 0 and <= ${most}. Received ${offset}`);
      }
      return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    };
    for (const order of size === 1 ? [''] : ['LE', 'BE']) {
      const names = [`${CALLED[kind] ?? kind}${order}`];
      if (kind.includes('Uint')) names.push(names[0].replace('Uint', 'UInt'));
      for (const name of names) {
        internal.define(FastBuffer.prototype, `read${name}`, function (offset = 0) {
          return view(this, offset)[`get${kind}`](offset, order === 'LE');
        });
        internal.define(FastBuffer.prototype, `write${name}`, function (value, offset = 0) {
          view(this, offset)[`set${kind}`](offset, value, order === 'LE');
          return offset + size;
        });
      }
    }
  }

  function swap(buffer, size) {
    if (buffer.length % size) throw internal.coded(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${8 * size}-bits`);
    for (let at = 0; at < buffer.length; at += size) buffer.subarray(at, at + size).reverse();
    return buffer;
  }

  function find(buffer, value, offset, encoding, direction) {
    if (typeof offset === 'string') [encoding, offset] = [offset, direction > 0 ? 0 : buffer.length];
    if (typeof value === 'number') return direction > 0 ? Uint8Array.prototype.indexOf.call(buffer, value & 255, offset) : Uint8Array.prototype.lastIndexOf.call(buffer, value & 255, offset);
    const bytes = typeof value === 'string' ? fromText(value, encoding) : bytesOf(value);
    let at = offset < 0 ? Math.max(0, buffer.length + offset) : offset;
    if (direction < 0) at = Math.min(at, buffer.length - bytes.length);
    for (; at >= 0 && at + bytes.length <= buffer.length; at += direction) {
      let same = 0;
      while (same < bytes.length && buffer[at + same] === bytes[same]) same++;
      if (same === bytes.length) return at;
    }
    return -1;
  }

  function compare(one, other) {
    const shorter = Math.min(one.length, other.length);
    for (let at = 0; at < shorter; at++) if (one[at] !== other[at]) return one[at] < other[at] ? -1 : 1;
    return Math.sign(one.length - other.length);
  }

  function Buffer(value, encoding, length) {
    return typeof value === 'number' ? Buffer.alloc(value) : Buffer.from(value, encoding, length);
  }
  Buffer.prototype = FastBuffer.prototype;
  Object.setPrototypeOf(Buffer, Uint8Array);
  Object.defineProperty(FastBuffer.prototype, 'constructor', { value: Buffer, writable: true, configurable: true });
  const statics = {
    from(value, encoding, length) {
      if (typeof value === 'string') return own(fromText(value, encoding));
      if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new FastBuffer(value, encoding, length);
      if (ArrayBuffer.isView(value)) return FastBuffer.from(value);
      if (value !== null && typeof value === 'object') {
        if (value.type === 'Buffer' && Array.isArray(value.data)) return FastBuffer.from(value.data);
        if (typeof value.length === 'number' || typeof value[Symbol.iterator] === 'function') return FastBuffer.from(value);
        const plain = value.valueOf?.();
        if (plain !== undefined && plain !== value) return Buffer.from(plain, encoding, length);
      }
      throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received ${internal.received(value)}`);
    },
    alloc: (size, fill, encoding) => {
      if (typeof size !== 'number') throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "size" argument must be of type number. Received ${internal.received(size)}`);
      const buffer = new FastBuffer(size);
      return fill === undefined ? buffer : buffer.fill(fill, 0, size, encoding);
    },
    allocUnsafe: (size) => Buffer.alloc(size),
    allocUnsafeSlow: (size) => Buffer.alloc(size),
    isBuffer: (value) => value instanceof FastBuffer,
    isEncoding: (encoding) => {
      try {
        return typeof encoding === 'string' && encoding !== '' && Boolean(encodingOf(encoding));
      } catch {
        return false;
      }
    },
    byteLength: (value, encoding) => (typeof value === 'string' ? fromText(value, encoding).length : value.byteLength),
    compare,
    concat: (list, total = list.reduce((sum, part) => sum + part.length, 0)) => {
      const whole = Buffer.alloc(total);
      let at = 0;
      for (const part of list) {
        const some = part.subarray(0, total - at);
        whole.set(some, at);
        at += some.length;
      }
      return whole;
    },
    of: (...bytes) => FastBuffer.from(bytes),
  };
  for (const [name, value] of Object.entries(statics)) internal.define(Buffer, name, value);
  Buffer.poolSize = 8192;
  internal.Buffer = Buffer;
  internal.define(globalThis, 'Buffer', Buffer);
  internal.builtins.buffer = () => ({ Buffer, constants: { MAX_LENGTH: 2 ** 31 - 1, MAX_STRING_LENGTH: kStringMaxLength }, kMaxLength: 2 ** 31 - 1, kStringMaxLength, atob: globalThis.atob, btoa: globalThis.btoa, isUtf8: (bytes) => !native.decode(bytesOf(bytes)).includes('\ufffd') });
})
