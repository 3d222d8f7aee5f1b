"""Two ends of a connection inside one program, and waiting for them.

`socket.socketpair()` and `select.kqueue` are what event loops of packages wait
with on a system that is not Linux. Here both ends belong to one process, so their
bytes lie in a buffer, and threads go on while somebody waits.
"""
import _socket
import errno
import os
import select
import signal
import socket

from . import threads

# As much as a pair of sockets holds on Linux.
BUFFER_BYTES = 212_992
# Event loops wait so long when they wait for anything at all.
FOREVER = 24 * 60 * 60
# Descriptors of files are smaller than any limit of a run.
FIRST_NUMBER = 1 << 20

NEVER = ("deadlock: this waits for bytes that nobody can send; without threads and network only this "
         "program itself writes to the other end")

KQUEUE_NAMES = dict(
    KQ_FILTER_READ=-1, KQ_FILTER_WRITE=-2, KQ_FILTER_SIGNAL=-6, KQ_FILTER_TIMER=-7, KQ_EV_ADD=1, KQ_EV_DELETE=2,
    KQ_EV_ENABLE=4, KQ_EV_DISABLE=8, KQ_EV_ONESHOT=16, KQ_EV_CLEAR=32, KQ_EV_ERROR=0x4000, KQ_EV_EOF=0x8000)
FILTER_READ, FILTER_WRITE = -1, -2
EVENT_ADD, EVENT_DELETE, EVENT_ONESHOT, EVENT_EOF = 1, 2, 16, 0x8000

_ends = {}
_next_number = FIRST_NUMBER
_standard_select = select.select


def _fault(number):
    return OSError(number, os.strerror(number))


class End(socket.socket):
    """One end of a pair."""

    __slots__ = ("_number", "_peer", "_received", "_finished", "_timeout")

    def __init__(self):
        global _next_number
        self._io_refs = 0
        self._closed = False
        self._number = _next_number
        _next_number += 1
        self._peer = None
        self._received = bytearray()
        # The other end will send no more.
        self._finished = False
        self._timeout = socket.getdefaulttimeout()
        _ends[self._number] = self

    family = property(lambda self: socket.AF_UNIX)
    type = property(lambda self: socket.SOCK_STREAM)
    proto = property(lambda self: 0)
    timeout = property(lambda self: self._timeout)

    def __repr__(self):
        return f"<socket.socket{' [closed]' if self._number < 0 else ''} fd={self._number}, one of a pair>"

    def _open(self):
        if self._number < 0:
            raise _fault(errno.EBADF)

    def fileno(self):
        return self._number

    def _wait(self, ready):
        if self._timeout == 0.0:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        # Threads may go on meanwhile.
        if not threads.idle(self._timeout, ready):
            raise RuntimeError(NEVER)
        if not ready():
            raise TimeoutError("timed out")

    def send(self, data, flags=0, /):
        self._open()
        peer = self._peer
        if peer is None or peer._number < 0:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        data = memoryview(data).cast("B")
        if data.nbytes and len(peer._received) >= BUFFER_BYTES:
            self._wait(lambda: len(peer._received) < BUFFER_BYTES)
        room = BUFFER_BYTES - len(peer._received)
        peer._received += data[:room]
        return min(room, data.nbytes)

    def sendall(self, data, flags=0, /):
        data = memoryview(data).cast("B")
        while data.nbytes:
            data = data[self.send(data):]

    def recv(self, size, flags=0, /):
        self._open()
        if not self._received and not self._finished and size:
            self._wait(lambda: self._received or self._finished)
        data = bytes(self._received[:size])
        if not flags & getattr(socket, "MSG_PEEK", 1):
            del self._received[:size]
        return data

    def recv_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or view.nbytes, flags)
        view[:len(data)] = data
        return len(data)

    def sendmsg(self, buffers, *args):
        return self.send(b"".join(buffers))

    def recvmsg(self, bufsize, *args):
        return self.recv(bufsize), [], 0, None

    def recvfrom(self, size, flags=0, /):
        return self.recv(size, flags), None

    def setblocking(self, flag, /):
        self._timeout = None if flag else 0.0

    def settimeout(self, value, /):
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = None if value is None else float(value)

    def gettimeout(self):
        return self._timeout

    def getblocking(self):
        return self._timeout != 0.0

    def setsockopt(self, *args):
        self._open()

    def getsockopt(self, level, option, buflen=0, /):
        self._open()
        return 0 if not buflen else bytes(buflen)

    def getsockname(self):
        return ""

    getpeername = getsockname

    def shutdown(self, how, /):
        self._open()
        if how in (1, 2) and self._peer is not None:
            self._peer._finished = True

    def _real_close(self, *args):
        if self._number >= 0:
            _ends.pop(self._number, None)
            if self._peer is not None:
                self._peer._finished = True
            self._number = -1

    def detach(self):
        number = self._number
        self._closed = True
        return number

    def _readable(self):
        return bool(self._received) or self._finished

    def _writable(self):
        peer = self._peer
        return peer is None or peer._number < 0 or len(peer._received) < BUFFER_BYTES


def socketpair(family=None, type=_socket.SOCK_STREAM, proto=0):
    """Create a pair of socket objects, connected to each other."""
    if type & 0xFF != socket.SOCK_STREAM & 0xFF:
        raise _fault(errno.EPROTONOSUPPORT)
    one, other = End(), End()
    one._peer, other._peer = other, one
    return one, other


def _number(file):
    return file if isinstance(file, int) else file.fileno()


def _until_ready(ready, timeout):
    """The answer of `ready()`; when there is none, the time that was given passes."""
    answer = ready()
    if answer:
        return answer
    is_endless = timeout is None or not 0 <= timeout < FOREVER
    if is_endless and not threads.idle(None, ready):
        raise RuntimeError(NEVER)
    if not is_endless and timeout > 0:
        threads.idle(timeout, ready)
    return ready()


class kevent:
    """What is waited for, and what has happened."""

    __slots__ = ("ident", "filter", "flags", "fflags", "data", "udata")

    def __init__(self, ident, filter=FILTER_READ, flags=EVENT_ADD, fflags=0, data=0, udata=0):
        self.ident = _number(ident)
        self.filter, self.flags, self.fflags, self.data, self.udata = filter, flags, fflags, data, udata

    def _key(self):
        return self.ident, self.filter, self.flags, self.fflags, self.data, self.udata

    def __eq__(self, other):
        return self._key() == other._key() if isinstance(other, kevent) else NotImplemented

    def __lt__(self, other):
        return self._key() < other._key() if isinstance(other, kevent) else NotImplemented

    __hash__ = None

    def __repr__(self):
        return (f"<select.kevent ident={self.ident} filter={self.filter} flags={self.flags:#x} "
                f"fflags={self.fflags:#x} data={self.data:#x} udata={self.udata:#x}>")


class kqueue:
    """select.kqueue for the ends of pairs."""

    def __init__(self):
        self._wanted = {}
        self.closed = False

    @classmethod
    def fromfd(cls, fd):
        return cls()

    def fileno(self):
        self._check()
        return FIRST_NUMBER - 1

    def close(self):
        self.closed = True
        self._wanted.clear()

    def _check(self):
        if self.closed:
            raise ValueError("I/O operation on closed kqueue object")

    def _change(self, change):
        key = change.ident, change.filter
        if change.flags & EVENT_DELETE:
            if self._wanted.pop(key, None) is None:
                raise _fault(errno.ENOENT)
        elif change.flags & EVENT_ADD:
            if change.ident not in _ends:
                os.fstat(change.ident)
            if change.filter not in (FILTER_READ, FILTER_WRITE):
                raise _fault(errno.EINVAL)
            self._wanted[key] = change

    def _ready(self, most):
        answer = []
        for key, wanted in list(self._wanted.items()):
            if len(answer) == most:
                break
            end = _ends.get(wanted.ident)
            reads = wanted.filter == FILTER_READ
            # A file is always ready.
            if end is None or (end._readable() if reads else end._writable()):
                flags = wanted.flags | (EVENT_EOF if end is not None and reads and end._finished else 0)
                size = len(end._received) if end is not None and reads else 0
                answer.append(kevent(wanted.ident, wanted.filter, flags, 0, size, wanted.udata))
                if wanted.flags & EVENT_ONESHOT:
                    del self._wanted[key]
        return answer

    def control(self, changelist, maxevents, timeout=None, /):
        self._check()
        for change in changelist or ():
            self._change(change)
        return _until_ready(lambda: self._ready(maxevents), timeout) if maxevents else []


def _is_ready(file, test):
    end = _ends.get(_number(file))
    return end is None or test(end)


def _select(rlist, wlist, xlist, timeout=None, /):
    """select.select() for the ends of pairs too."""
    lists = [list(files) for files in (rlist, wlist, xlist)]
    if not any(_number(file) in _ends for files in lists for file in files):
        return _standard_select(*lists, timeout)

    def ready():
        readable = [file for file in lists[0] if _is_ready(file, End._readable)]
        writable = [file for file in lists[1] if _is_ready(file, End._writable)]
        return (readable, writable, []) if readable or writable else ()

    return _until_ready(ready, timeout) or ([], [], [])


_wakeup = -1


def set_wakeup_fd(fd, /, *, warn_on_full_buffer=True):
    """Sets the fd to be written to when a signal comes in: none comes by itself."""
    global _wakeup
    before, _wakeup = _wakeup, int(fd)
    return before


def install():
    """Puts them where programs look."""
    socketpair.__module__ = "socket"
    socket.socketpair = socketpair
    select.select = _select
    for kind in (kqueue, kevent):
        kind.__module__ = "select"
        setattr(select, kind.__name__, kind)
    for name, value in KQUEUE_NAMES.items():
        setattr(select, name, value)
    signal.set_wakeup_fd = set_wakeup_fd
