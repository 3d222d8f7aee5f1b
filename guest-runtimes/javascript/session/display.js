// `display` and pictures: what a reply has beside the text of a value.
(function (native, internal) {
  'use strict';
  const SIGNATURES = [['image/png', [0x89, 0x50, 0x4e, 0x47]], ['image/jpeg', [0xff, 0xd8, 0xff]], ['image/gif', [0x47, 0x49, 0x46, 0x38]], ['image/webp', [0x52, 0x49, 0x46, 0x46]]];
  const TEXT_BYTES = 4 * 1024;
  let outputs = [];
  let size = 0;
  let request;

  internal.beginOutputs = (given) => {
    outputs = [];
    size = 0;
    request = given;
  };
  internal.outputs = () => outputs;

  const isText = (type) => type.startsWith('text/') || type === 'image/svg+xml';

  function encoded(type, data) {
    if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) {
      const bytes = internal.bytesOf(data);
      return isText(type) ? native.decode(bytes) : internal.toBase64(bytes);
    }
    // Data that is text already is base64, as in notebooks; JSON becomes that.
    if (type.endsWith('json')) return internal.toBase64(native.encode(typeof data === 'string' ? data : JSON.stringify(data)));
    return isText(type) ? String(data).toWellFormed() : String(data).replace(/\s+/g, '');
  }

  // The bundle of types that a value offers, or undefined.
  function offered(value) {
    if (value instanceof Picture) return value.bundle;
    if (value instanceof Uint8Array) {
      const found = SIGNATURES.find(([, bytes]) => bytes.every((byte, at) => value[at] === byte));
      return found && { [found[0]]: value };
    }
    if (typeof value === 'string') return /^\s*(<\?xml[^>]*>\s*)?<svg[\s>]/.test(value) && /<\/svg>\s*$/.test(value) ? { 'image/svg+xml': value } : undefined;
    const own = value !== null && typeof value === 'object' ? value[Symbol.for('Jupyter.display')] : undefined;
    return typeof own === 'function' ? own.call(value) : undefined;
  }

  class Picture {
    constructor(bundle) {
      this.bundle = bundle;
    }

    [internal.inspect.custom]() {
      return `[${Object.keys(this.bundle).join(', ')}]`;
    }
  }

  function add(bundle) {
    const whole = {};
    for (const [type, data] of Object.entries(bundle)) whole[type] = type === 'text/plain' || isText(type) ? internal.cut(encoded(type, data), request.result_bytes) : encoded(type, data);
    const bytes = JSON.stringify(whole).length;
    if (size + bytes > request.output_bytes) {
      outputs.push({ 'text/plain': `[an output of ${bytes} bytes was left out: all outputs of a run may have ${request.output_bytes} bytes together]` });
      return;
    }
    size += bytes;
    outputs.push(whole);
  }

  // The last value of a program is shown as what it offers to be.
  internal.addResult = (value, text) => {
    const bundle = offered(value);
    if (bundle) add({ 'text/plain': text, ...bundle });
  };

  function display(...values) {
    for (const value of values) {
      const text = internal.cut(typeof value === 'string' ? value : internal.inspect(value, { depth: 4 }), request.result_bytes);
      add({ 'text/plain': text, ...offered(value) });
      if (request.shown) internal.tell('display', { text: text.slice(0, TEXT_BYTES) });
    }
  }
  display.html = (text) => display(new Picture({ 'text/html': text }));
  display.markdown = (text) => display(new Picture({ 'text/markdown': text }));
  display.svg = (text) => display(new Picture({ 'image/svg+xml': text }));
  display.json = (value) => display(new Picture({ 'application/json': value }));
  display.image = (bytes, type) => {
    const found = type ?? SIGNATURES.find(([, signature]) => signature.every((byte, at) => internal.bytesOf(bytes)[at] === byte))?.[0];
    if (!found) throw new TypeError('display.image(bytes, type): the bytes are no PNG, JPEG, GIF or WebP, and no type was given');
    display(new Picture({ [found]: internal.bytesOf(bytes) }));
  };
  internal.define(globalThis, 'display', display);
})
