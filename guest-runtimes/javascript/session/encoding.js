// TextEncoder, TextDecoder and base64.
(function (native, internal) {
  'use strict';

  internal.bytesOf = (value) => {
    if (value instanceof Uint8Array) return value;
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
    throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "input" argument must be an instance of ArrayBuffer or ArrayBufferView. Received ${internal.received(value)}`);
  };

  class TextEncoder {
    get encoding() {
      return 'utf-8';
    }

    encode(text = '') {
      return native.encode(String(text).toWellFormed());
    }

    encodeInto(text, into) {
      let read = 0;
      let written = 0;
      for (const char of String(text).toWellFormed()) {
        const bytes = native.encode(char);
        if (written + bytes.length > into.length) break;
        into.set(bytes, written);
        written += bytes.length;
        read += char.length;
      }
      return { read, written };
    }
  }

  const LABELS = {
    'utf-8': ['utf8', 'unicode-1-1-utf-8'],
    'utf-16le': ['utf-16', 'ucs-2', 'unicode', 'iso-10646-ucs-2'],
    'windows-1252': ['latin1', 'iso-8859-1', 'ascii', 'us-ascii', 'l1', 'cp1252', 'iso8859-1'],
  };
  // What windows-1252 has where Latin-1 has control characters.
  const WINDOWS = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #left = new Uint8Array(0);
    #isFirst = true;

    constructor(label = 'utf-8', options = {}) {
      const wanted = String(label).trim().toLowerCase();
      this.#encoding = Object.keys(LABELS).find((name) => name === wanted || LABELS[name].includes(wanted));
      if (!this.#encoding) throw internal.coded(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }

    get encoding() {
      return this.#encoding;
    }

    get fatal() {
      return this.#fatal;
    }

    get ignoreBOM() {
      return this.#ignoreBOM;
    }

    decode(input = new Uint8Array(0), { stream = false } = {}) {
      let bytes = internal.bytesOf(input);
      if (this.#left.length > 0) {
        const whole = new Uint8Array(this.#left.length + bytes.length);
        whole.set(this.#left);
        whole.set(bytes, this.#left.length);
        bytes = whole;
      }
      const end = stream ? bytes.length - unfinished(bytes, this.#encoding) : bytes.length;
      this.#left = bytes.slice(end);
      let text = this.#text(bytes.subarray(0, end));
      if (this.#isFirst && !this.#ignoreBOM && text.startsWith('\ufeff')) text = text.slice(1);
      this.#isFirst = !stream || (this.#isFirst && end === 0);
      return text;
    }

    #text(bytes) {
      if (this.#encoding === 'windows-1252') {
        return internal.latin1(bytes).replace(/[\x80-\x9f]/g, (char) => WINDOWS[char.charCodeAt(0) - 0x80]);
      }
      const text = this.#encoding === 'utf-8' ? native.decode(bytes) : internal.utf16(bytes);
      if (this.#fatal && !isValid(bytes, text, this.#encoding)) {
        throw internal.coded(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.#encoding}`);
      }
      return text;
    }
  }

  // How many bytes at the end begin a character that goes on after them.
  function unfinished(bytes, encoding) {
    if (encoding === 'windows-1252') return 0;
    if (encoding === 'utf-16le') {
      const odd = bytes.length % 2;
      const last = bytes[bytes.length - odd - 1];
      return odd + (last >= 0xd8 && last <= 0xdb ? 2 : 0);
    }
    for (let back = 1; back <= Math.min(3, bytes.length); back++) {
      const byte = bytes[bytes.length - back];
      if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
      if (byte < 0x80) return 0;
    }
    return 0;
  }

  function isValid(bytes, text, encoding) {
    if (!text.includes('\ufffd')) return encoding === 'utf-8' || bytes.length % 2 === 0;
    const again = encoding === 'utf-8' ? native.encode(text) : internal.fromUtf16(text);
    return again.length === bytes.length && again.every((byte, at) => byte === bytes[at]);
  }

  const CHUNK = 8192;
  internal.latin1 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
    return text;
  };
  internal.utf16 = (bytes) => {
    let text = '';
    for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | bytes[at + 1] << 8);
    return bytes.length % 2 ? `${text}\ufffd` : text;
  };
  internal.fromUtf16 = (text) => {
    const bytes = new Uint8Array(text.length * 2);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      bytes[2 * at] = code;
      bytes[2 * at + 1] = code >> 8;
    }
    return bytes;
  };

  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const VALUES = new Int8Array(128).fill(-1);
  for (let at = 0; at < 64; at++) VALUES[DIGITS.charCodeAt(at)] = at;
  VALUES['-'.charCodeAt(0)] = 62;
  VALUES['_'.charCodeAt(0)] = 63;

  internal.toBase64 = (bytes, isForUrls = false) => {
    let text = '';
    let part = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const word = bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
      part += DIGITS[word >> 18] + DIGITS[word >> 12 & 63] + (at + 1 < bytes.length ? DIGITS[word >> 6 & 63] : '=') + (at + 2 < bytes.length ? DIGITS[word & 63] : '=');
      if (part.length > CHUNK) {
        text += part;
        part = '';
      }
    }
    text += part;
    return isForUrls ? text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') : text;
  };

  // Leaves out what is no digit, and ends at the first `=`, as Buffer does.
  internal.fromBase64 = (text) => {
    const bytes = new Uint8Array(Math.ceil(text.length * 3 / 4));
    let size = 0;
    let word = 0;
    let bits = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 61) break;
      const value = code < 128 ? VALUES[code] : -1;
      if (value < 0) continue;
      word = word << 6 | value;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes[size++] = word >> bits;
        word &= (1 << bits) - 1;
      }
    }
    return bytes.slice(0, size);
  };

  for (const [name, value] of Object.entries({ TextEncoder, TextDecoder })) internal.define(globalThis, name, value);
})
