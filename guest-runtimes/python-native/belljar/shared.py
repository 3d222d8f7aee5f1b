"""What processes share: semaphores and memory. Where the system's own, which
lie in `/dev/shm` or have no file at all, are not to be had, they are made of
pipes and of files in the directory for temporary ones.
"""
import errno
import fcntl
import gc
import os
import select
import struct
import termios
import threading
import time

REFUSED = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOSYS, errno.EROFS)
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
CHUNK_BYTES = 1 << 20
# A pipe takes this much at least, and each token is a byte.
MOST_TOKENS = 4096
RECURSIVE_MUTEX = 0
# Each takes a descriptor until it is collected, and of those there are few.
MANY_DESCRIPTORS = 32


def change_semaphores(module):
    real = getattr(module, "SemLock", None)
    if real is None or _can(lambda: real(1, 1, 1, f"/belljar-{os.getpid()}", True)):
        return
    Semaphore.SEM_VALUE_MAX = real.SEM_VALUE_MAX
    module.SemLock, module.sem_unlink = Semaphore, lambda name: os.unlink(_path(name))


def _can(attempt):
    try:
        attempt()
    except OSError as error:
        return error.errno not in REFUSED
    return True


def _path(name):
    directory = os.environ.get("TMPDIR") or "/tmp"
    return os.path.join(directory, "shm" + name.replace("/", "."))


class Semaphore:
    """The same interface as the built-in `SemLock`. A token in a pipe is one
    that can be taken. One that starts with more than a pipe takes is there only
    to count, as that of a queue without a bound: its tokens are those taken.
    """
    SEM_VALUE_MAX = 2**31 - 1

    def __init__(self, kind, value, maxvalue, name, unlink):
        if value > maxvalue or kind not in (0, 1):
            raise ValueError("invalid value")
        if MOST_TOKENS < value < 2**30:
            raise OSError(errno.ENOSYS, f"here a semaphore starts with {MOST_TOKENS} at most")
        readable, writable = os.pipe()
        try:
            # One that both reads and writes, and does not wait.
            self.handle = _open_pipe(f"/proc/self/fd/{readable}")
        finally:
            os.close(readable)
            os.close(writable)
        if self.handle >= MANY_DESCRIPTORS:
            gc.collect()
        self._begin(kind, maxvalue, value if value > MOST_TOKENS else None)
        if self._most is None:
            os.write(self.handle, b"." * value)
        self.name = None
        if not unlink:
            self.name = name if self._most is None else f"{name}~{value}"
            os.symlink(f"/proc/{os.getpid()}/fd/{self.handle}", _path(self.name))

    @classmethod
    def _rebuild(cls, handle, kind, maxvalue, name):
        semaphore = cls.__new__(cls)
        semaphore.handle = _open_pipe(_path(name))
        semaphore._begin(kind, maxvalue, int(name.partition("~")[2]) if "~" in name else None)
        semaphore.name = name
        return semaphore

    def _begin(self, kind, maxvalue, most):
        self.kind, self.maxvalue, self._most = kind, maxvalue, most
        self._taken, self._owner = 0, None

    def __del__(self):
        try:
            os.close(self.handle)
        except (OSError, AttributeError):
            pass

    def acquire(self, block=True, timeout=None):
        if self.kind == RECURSIVE_MUTEX and self._is_mine():
            self._taken += 1
            return True
        if self._most is not None:
            # What does not fit was taken all the same, and is not counted.
            self._put()
        elif not self._take():
            if not block:
                return False
            if not self._wait(None if timeout is None else max(0.0, timeout)):
                return False
        self._taken += 1
        self._owner = threading.get_ident()
        return True

    def release(self):
        if self.kind == RECURSIVE_MUTEX:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._taken > 1:
                self._taken -= 1
                return
            self._put()
        elif self._most is not None:
            if not self._take():
                raise ValueError("semaphore or lock released too many times")
        elif self._get_value() >= self.maxvalue or not self._put():
            raise ValueError("semaphore or lock released too many times")
        self._taken -= 1

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *failure):
        self.release()

    def _count(self):
        return self._taken

    def _is_mine(self):
        return self._taken > 0 and self._owner == threading.get_ident()

    def _get_value(self):
        tokens = struct.unpack("i", fcntl.ioctl(self.handle, termios.FIONREAD, bytes(4)))[0]
        return tokens if self._most is None else self._most - tokens

    def _is_zero(self):
        return self._get_value() == 0

    def _after_fork(self):
        self._taken = 0

    def _take(self):
        try:
            return bool(os.read(self.handle, 1))
        except BlockingIOError:
            return False

    def _put(self):
        try:
            return os.write(self.handle, b".") == 1
        except BlockingIOError:
            return False

    def _wait(self, timeout):
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = poll.poll(None if left is None else left * 1000)
            # Somebody else may have been sooner.
            if self._take():
                return True
            if not ready and left is not None and time.monotonic() >= deadline:
                return False


def _open_pipe(path):
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def change_heap(heap):
    arena = getattr(heap, "Arena", None)
    if arena is not None and not _can(_make_shared_file):
        arena._dir_candidates = []


def _make_shared_file():
    os.close(os.open("/dev/shm", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600))


def change_memory(module):
    shm_open, shm_unlink = module.shm_open, module.shm_unlink

    def open_anywhere(path, flags, mode=0o777):
        try:
            return shm_open(path, flags, mode=mode)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            refusal = error
        try:
            return os.open(_path(path), flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        except FileNotFoundError:
            raise refusal from None

    def unlink_anywhere(path):
        try:
            return shm_unlink(path)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            refusal = error
        try:
            return os.unlink(_path(path))
        except FileNotFoundError:
            raise refusal from None

    module.shm_open, module.shm_unlink = open_anywhere, unlink_anywhere


def change_maps(module):
    real = module.mmap

    class mmap(real):
        __doc__ = real.__doc__

        def __new__(cls, fileno, length, *args, **kwargs):
            try:
                return super().__new__(cls, fileno, length, *args, **kwargs)
            except PermissionError:
                if fileno != -1:
                    raise
            # Memory that is shared and has no file is not to be had.
            with _file_of(length) as file:
                return super().__new__(cls, file.fileno(), length, *args, **kwargs)

    mmap.__module__, mmap.__qualname__ = real.__module__, real.__qualname__
    module.mmap = mmap


def _file_of(length):
    """A file without a name that has its room already: where there is none left,
    a write to what is mapped would end the program."""
    import tempfile
    file = tempfile.TemporaryFile()
    try:
        try:
            os.posix_fallocate(file.fileno(), 0, length)
        except OSError as error:
            if error.errno in NO_ROOM or length <= 0:
                raise
            for start in range(0, length, CHUNK_BYTES):
                file.write(bytes(min(CHUNK_BYTES, length - start)))
            file.flush()
    except OSError as error:
        file.close()
        if error.errno in NO_ROOM:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None
        raise
    return file
