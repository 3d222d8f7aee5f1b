// node:fs and node:fs/promises, over the workspace and what else a run has.
(function (native, internal) {
  'use strict';
  const { path } = internal;
  const CHUNK = 65536;
  const [DIRECTORY, REGULAR, LINK, CHARACTER, KIND] = [0o040000, 0o100000, 0o120000, 0o020000, 0o170000];
  const NAMES = {
    1: 'EPERM', 2: 'ENOENT', 4: 'EINTR', 5: 'EIO', 9: 'EBADF', 11: 'EAGAIN', 12: 'ENOMEM', 13: 'EACCES', 16: 'EBUSY', 17: 'EEXIST',
    18: 'EXDEV', 20: 'ENOTDIR', 21: 'EISDIR', 22: 'EINVAL', 23: 'ENFILE', 24: 'EMFILE', 27: 'EFBIG', 28: 'ENOSPC', 29: 'ESPIPE',
    30: 'EROFS', 36: 'ENAMETOOLONG', 38: 'ENOSYS', 39: 'ENOTEMPTY', 40: 'ELOOP', 76: 'ENOTCAPABLE', 95: 'ENOTSUP', 122: 'EDQUOT',
  };
  const TEXTS = { 2: 'no such file or directory', 17: 'file already exists', 21: 'illegal operation on a directory', 1: 'operation not permitted', 13: 'permission denied', 20: 'not a directory', 39: 'directory not empty', 9: 'bad file descriptor', 22: 'invalid argument', 24: 'too many open files', 28: 'no space left on device', 122: 'disk quota exceeded' };

  internal.failed = (number, syscall, first, second) => {
    const code = NAMES[number] ?? `E${number}`;
    let message = `${code}: ${TEXTS[number] ?? native.error_text(number).toLowerCase()}, ${syscall}`;
    if (first !== undefined) message += ` '${first}'`;
    if (second !== undefined) message += ` -> '${second}'`;
    const error = new Error(message);
    Object.assign(error, { errno: -number, code, syscall });
    if (first !== undefined) error.path = String(first);
    if (second !== undefined) error.dest = String(second);
    throw error;
  };
  internal.check = (answer, syscall, first, second) => {
    if (typeof answer === 'number' && answer < 0) internal.failed(-answer, syscall, first, second);
    return answer;
  };
  const { check } = internal;

  function pathOf(given, name = 'path') {
    if (typeof given === 'string') {
      if (!given.includes('\0')) return given;
      throw internal.coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument '${name}' must be a string without null bytes. Received ${internal.inspect(given)}`);
    }
    if (given instanceof Uint8Array) return native.decode(given);
    if (given && typeof given === 'object' && typeof given.href === 'string') {
      if (given.protocol === 'file:') return decodeURIComponent(given.pathname);
      throw internal.coded(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
    }
    throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "${name}" argument must be of type string or an instance of Buffer or URL. Received ${internal.received(given)}`);
  }

  const FLAGS = {
    r: native.O_RDONLY, rs: native.O_RDONLY, 'r+': native.O_RDWR, 'rs+': native.O_RDWR,
    w: native.O_WRONLY | native.O_CREAT | native.O_TRUNC, wx: native.O_WRONLY | native.O_CREAT | native.O_TRUNC | native.O_EXCL,
    'w+': native.O_RDWR | native.O_CREAT | native.O_TRUNC, 'wx+': native.O_RDWR | native.O_CREAT | native.O_TRUNC | native.O_EXCL,
    a: native.O_WRONLY | native.O_CREAT | native.O_APPEND, ax: native.O_WRONLY | native.O_CREAT | native.O_APPEND | native.O_EXCL,
    'a+': native.O_RDWR | native.O_CREAT | native.O_APPEND, 'ax+': native.O_RDWR | native.O_CREAT | native.O_APPEND | native.O_EXCL,
  };

  function open(file, flags, mode = 0o666) {
    const number = typeof flags === 'number' ? flags : FLAGS[flags];
    if (number === undefined) throw internal.coded(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received ${internal.inspect(flags)}`);
    const name = pathOf(file);
    return check(native.open(name, number, typeof mode === 'string' ? parseInt(mode, 8) : mode), 'open', name);
  }

  internal.readAll = (descriptor) => {
    const found = native.stat_open(descriptor);
    if (Array.isArray(found) && (found[0] & KIND) === DIRECTORY) internal.failed(21, 'read');
    const expected = Array.isArray(found) && (found[0] & KIND) === REGULAR ? found[1] : 0;
    let bytes = new Uint8Array(Math.max(CHUNK, expected + 1));
    let size = 0;
    for (;;) {
      if (size === bytes.length) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      const count = check(native.read(descriptor, bytes, size, bytes.length - size, -1), 'read');
      if (count === 0) return bytes.slice(0, size);
      size += count;
    }
  };
  internal.writeAll = (descriptor, bytes) => {
    for (let at = 0; at < bytes.length;) at += check(native.write_bytes(descriptor, bytes, at, bytes.length - at, -1), 'write');
  };

  const encodingOf = (options) => (typeof options === 'string' ? options : options?.encoding);
  const asAsked = (bytes, encoding) => {
    if (!encoding || encoding === 'buffer') return internal.Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (/^utf-?8$/i.test(encoding)) return native.decode(bytes);
    return internal.Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding);
  };
  const bytesFor = (data, encoding) => {
    if (typeof data === 'string') return encoding && !/^utf-?8$/i.test(encoding) ? internal.Buffer.from(data, encoding) : native.encode(data.toWellFormed());
    if (ArrayBuffer.isView(data)) return internal.bytesOf(data);
    throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ${internal.received(data)}`);
  };

  function withFile(file, flags, mode, use) {
    if (typeof file === 'number') return use(file);
    const descriptor = open(file, flags, mode);
    try {
      return use(descriptor);
    } finally {
      native.close(descriptor);
    }
  }

  class Stats {
    constructor([mode, size, atimeMs, mtimeMs, ctimeMs, ino, nlink, blocks]) {
      Object.assign(this, { dev: 0, mode, nlink, uid: 1000, gid: 1000, rdev: 0, blksize: 4096, ino, size, blocks, atimeMs, mtimeMs, ctimeMs, birthtimeMs: ctimeMs });
      for (const name of ['atime', 'mtime', 'ctime', 'birthtime']) this[name] = new Date(this[`${name}Ms`]);
    }

    isFile() {
      return (this.mode & KIND) === REGULAR;
    }

    isDirectory() {
      return (this.mode & KIND) === DIRECTORY;
    }

    isSymbolicLink() {
      return (this.mode & KIND) === LINK;
    }

    isCharacterDevice() {
      return (this.mode & KIND) === CHARACTER;
    }

    isBlockDevice() {
      return false;
    }

    isFIFO() {
      return false;
    }

    isSocket() {
      return false;
    }
  }

  class Dirent {
    #mode;

    constructor(name, parentPath, mode) {
      this.name = name;
      this.parentPath = parentPath;
      this.path = parentPath;
      this.#mode = mode;
    }
  }
  for (const name of ['isFile', 'isDirectory', 'isSymbolicLink', 'isCharacterDevice', 'isBlockDevice', 'isFIFO', 'isSocket']) {
    internal.define(Dirent.prototype, name, function () {
      const mode = native.stat(path.join(this.parentPath, this.name), false)[0];
      return Stats.prototype[name].call({ mode });
    });
  }

  function stat(file, options, follows, syscall) {
    const name = pathOf(file);
    const found = native.stat(name, follows);
    if (found === -2 && options?.throwIfNoEntry === false) return undefined;
    return new Stats(check(found, syscall, name));
  }

  function list(folder, isDeep, below = '') {
    const found = check(native.list(folder), 'scandir', folder);
    const entries = [];
    for (let at = 0; at < found.length; at += 2) entries.push([below + found[at], found[at + 1]]);
    entries.sort(([one], [other]) => (one < other ? -1 : 1));
    if (!isDeep) return entries;
    return entries.flatMap((entry) => (entry[1] === DIRECTORY ? [entry, ...list(path.join(folder, path.basename(entry[0])), true, `${entry[0]}/`)] : [entry]));
  }

  function removeTree(name, force) {
    const found = native.stat(name, false);
    if (found === -2 && force) return;
    if (Array.isArray(found) && (found[0] & KIND) === DIRECTORY) {
      for (const [entry] of list(name, false)) removeTree(path.join(name, entry), true);
      check(native.rmdir(name), 'rmdir', name);
    } else {
      check(native.unlink(name), 'unlink', name);
    }
  }

  function copyTree(from, to, options) {
    if (options.filter && !options.filter(from, to)) return;
    if (!fs.statSync(from).isDirectory()) {
      if (options.force !== false || !fs.existsSync(to)) fs.copyFileSync(from, to);
      return;
    }
    if (!options.recursive) throw internal.coded(Error, 'ERR_FS_EISDIR', `Recursive option not enabled, cannot copy a directory: ${from}`);
    fs.mkdirSync(to, { recursive: true });
    for (const [name] of list(from, false)) copyTree(path.join(from, name), path.join(to, name), options);
  }

  const timeOf = (time) => (time instanceof Date ? time.getTime() : Number(time) * 1000);

  const fs = {
    readFileSync: (file, options) => asAsked(withFile(file, options?.flag ?? 'r', 0, internal.readAll), encodingOf(options)),
    writeFileSync: (file, data, options) => {
      const bytes = bytesFor(data, encodingOf(options));
      withFile(file, options?.flag ?? 'w', options?.mode, (descriptor) => internal.writeAll(descriptor, bytes));
    },
    appendFileSync: (file, data, options) => fs.writeFileSync(file, data, { ...(typeof options === 'string' ? { encoding: options } : options), flag: 'a' }),
    existsSync: (file) => {
      try {
        return Array.isArray(native.stat(pathOf(file), true));
      } catch {
        return false;
      }
    },
    accessSync: (file, mode = 0) => {
      const name = pathOf(file);
      check(native.access(name, mode), 'access', name);
    },
    statSync: (file, options) => stat(file, options, true, 'stat'),
    lstatSync: (file, options) => stat(file, options, false, 'lstat'),
    fstatSync: (descriptor) => new Stats(check(native.stat_open(descriptor), 'fstat')),
    readdirSync: (folder, options) => {
      const name = pathOf(folder);
      const entries = list(name, options?.recursive);
      if (!options?.withFileTypes) return entries.map(([entry]) => entry);
      return entries.map(([entry, mode]) => new Dirent(path.basename(entry), path.join(name, path.dirname(entry)), mode));
    },
    mkdirSync: (folder, options) => {
      const name = pathOf(folder);
      const mode = (typeof options === 'object' ? options?.mode : options) ?? 0o777;
      if (!options?.recursive) {
        check(native.mkdir(name, mode), 'mkdir', name);
        return undefined;
      }
      let first;
      const missing = [];
      for (let at = path.resolve(name); at !== '/' && at !== '/workspace' && !fs.existsSync(at); at = path.dirname(at)) missing.unshift(at);
      if (missing.length === 0 && !fs.statSync(name).isDirectory()) internal.failed(17, 'mkdir', name);
      for (const at of missing) {
        check(native.mkdir(at, mode), 'mkdir', name);
        first ??= at;
      }
      return first;
    },
    mkdtempSync: (prefix) => {
      for (;;) {
        const random = new Uint8Array(6);
        native.random(random);
        const name = pathOf(prefix) + Array.from(random, (byte) => 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'[byte % 62]).join('');
        if (native.mkdir(name, 0o700) !== -17) return fs.existsSync(name) ? name : fs.mkdirSync(name);
      }
    },
    rmdirSync: (folder, options) => {
      const name = pathOf(folder);
      if (options?.recursive) removeTree(name, false);
      else check(native.rmdir(name), 'rmdir', name);
    },
    rmSync: (file, options) => {
      const name = pathOf(file);
      const found = native.stat(name, false);
      if (found === -2 && options?.force) return;
      if (Array.isArray(found) && (found[0] & KIND) === DIRECTORY && !options?.recursive) {
        throw internal.coded(Error, 'ERR_FS_EISDIR', `Path is a directory: rm returned EISDIR (is a directory) ${name}`, { path: name, syscall: 'rm', errno: 21 });
      }
      check(found, 'rm', name);
      removeTree(name, options?.force);
    },
    unlinkSync: (file) => {
      const name = pathOf(file);
      check(native.unlink(name), 'unlink', name);
    },
    renameSync: (from, to) => {
      check(native.rename(pathOf(from), pathOf(to)), 'rename', pathOf(from), pathOf(to));
    },
    copyFileSync: (from, to, mode = 0) => {
      const bytes = internal.readFile(from, 'copyfile', to);
      fs.writeFileSync(to, bytes, { flag: mode & 1 ? 'wx' : 'w', mode: fs.statSync(from).mode & 0o777 });
    },
    cpSync: (from, to, options = {}) => copyTree(pathOf(from), pathOf(to), options),
    chmodSync: (file, mode) => {
      const name = pathOf(file);
      check(native.chmod(name, typeof mode === 'string' ? parseInt(mode, 8) : mode), 'chmod', name);
    },
    utimesSync: (file, accessed, modified) => {
      const name = pathOf(file);
      check(native.utimes(name, timeOf(accessed), timeOf(modified)), 'utime', name);
    },
    truncateSync: (file, size = 0) => withFile(file, 'r+', 0, (descriptor) => {
      check(native.truncate(descriptor, size), 'ftruncate');
    }),
    ftruncateSync: (descriptor, size = 0) => {
      check(native.truncate(descriptor, size), 'ftruncate');
    },
    readlinkSync: (file) => {
      const name = pathOf(file);
      return check(native.read_link(name), 'readlink', name);
    },
    symlinkSync: (target, file) => {
      check(native.symlink(pathOf(target), pathOf(file)), 'symlink', target, file);
    },
    linkSync: (from, to) => {
      check(native.link(pathOf(from), pathOf(to)), 'link', from, to);
    },
    realpathSync: (file) => {
      const name = path.resolve(pathOf(file));
      check(native.stat(name, true), 'lstat', name);
      return name;
    },
    openSync: (file, flags = 'r', mode) => open(file, flags, mode),
    closeSync: (descriptor) => {
      check(native.close(descriptor), 'close');
    },
    readSync: (descriptor, buffer, offset = 0, length, position) => {
      if (offset !== null && typeof offset === 'object') ({ offset = 0, length, position } = offset);
      const bytes = internal.bytesOf(buffer);
      return check(native.read(descriptor, bytes, offset, length ?? bytes.length - offset, position ?? -1), 'read');
    },
    writeSync: (descriptor, data, offset, length, position) => {
      if (typeof data === 'string') {
        const bytes = bytesFor(data, typeof length === 'string' ? length : undefined);
        return check(native.write_bytes(descriptor, bytes, 0, bytes.length, offset ?? -1), 'write');
      }
      const bytes = internal.bytesOf(data);
      return check(native.write_bytes(descriptor, bytes, offset ?? 0, length ?? bytes.length - (offset ?? 0), position ?? -1), 'write');
    },
    fsyncSync: () => {},
    opendirSync: (folder) => {
      const entries = fs.readdirSync(folder, { withFileTypes: true });
      return {
        path: pathOf(folder),
        readSync: () => entries.shift() ?? null,
        read: async () => entries.shift() ?? null,
        closeSync: () => {},
        close: async () => {},
        async *[Symbol.asyncIterator]() {
          yield* entries;
        },
      };
    },
    globSync: (pattern) => {
      const matcher = internal.glob(path.normalize(String(pattern)));
      return list('.', true).map(([name]) => name).filter((name) => matcher.test(name));
    },
  };
  internal.readFile = (file, syscall, to) => {
    const name = pathOf(file);
    const descriptor = native.open(name, native.O_RDONLY, 0);
    if (descriptor < 0) internal.failed(-descriptor, syscall, name, to);
    try {
      return internal.readAll(descriptor);
    } finally {
      native.close(descriptor);
    }
  };

  const constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, COPYFILE_EXCL: 1, O_RDONLY: native.O_RDONLY, O_WRONLY: native.O_WRONLY, O_RDWR: native.O_RDWR, O_CREAT: native.O_CREAT, O_EXCL: native.O_EXCL, O_TRUNC: native.O_TRUNC, O_APPEND: native.O_APPEND, S_IFMT: KIND, S_IFREG: REGULAR, S_IFDIR: DIRECTORY, S_IFLNK: LINK };
  const promises = { constants };
  // The same by callback and by promise: what they do is done when its turn comes.
  for (const [name, method] of Object.entries(fs)) {
    const plain = name.slice(0, -'Sync'.length);
    if (plain === 'exists') {
      fs.exists = (file, done) => setImmediate(done, method(file));
      continue;
    }
    fs[plain] = (...values) => {
      const done = values.pop();
      if (typeof done !== 'function') throw internal.coded(TypeError, 'ERR_INVALID_ARG_TYPE', `The "cb" argument must be of type function. Received ${internal.received(done)}`);
      let failure = null;
      let result;
      try {
        result = method(...values);
      } catch (error) {
        failure = error;
      }
      setImmediate(() => (failure ? done(failure) : done(null, result)));
    };
    promises[plain] = (...values) => new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(method(...values));
        } catch (error) {
          reject(error);
        }
      });
    });
  }
  promises.open = async (file, flags = 'r', mode) => {
    const fd = open(file, flags, mode);
    return {
      fd,
      close: async () => fs.closeSync(fd),
      stat: async () => fs.fstatSync(fd),
      truncate: async (size) => fs.ftruncateSync(fd, size),
      sync: async () => {},
      readFile: async (options) => asAsked(internal.readAll(fd), encodingOf(options)),
      writeFile: async (data, options) => internal.writeAll(fd, bytesFor(data, encodingOf(options))),
      appendFile: async (data, options) => internal.writeAll(fd, bytesFor(data, encodingOf(options))),
      write: async (data, ...rest) => ({ bytesWritten: fs.writeSync(fd, data, ...rest), buffer: data }),
      read: async (buffer, ...rest) => ({ bytesRead: fs.readSync(fd, buffer, ...rest), buffer }),
      async *readLines() {
        yield* native.decode(internal.readAll(fd)).split(/\r?\n/).filter((line, at, all) => line !== '' || at < all.length - 1);
      },
      async [Symbol.asyncDispose]() {
        fs.closeSync(fd);
      },
    };
  };
  Object.assign(fs, { promises, constants, Stats, Dirent, F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 });
  fs.realpathSync.native = fs.realpathSync;
  internal.fs = fs;
  internal.builtins.fs = () => fs;
  internal.builtins['fs/promises'] = () => promises;
})
