"""How a program of the machine's own Python calls its host and waits for the
answer: datagrams over a socket, see the README of `guest-runtimes`.
"""
import array
import os
import select
import socket
import threading

VARIABLE = "BELLJAR_CALLS_FD"
# As much as a call or an answer can be, and what is before it.
MOST_BYTES = 128 << 10
DATAGRAM_BYTES = MOST_BYTES + 256
# A socket of its own is given at once, unless another process of the program
# took it by mistake.
PATIENCE_SECONDS = 5
FAILED, DENIED = 1, 2
# Calls whose answers say nothing.
UNANSWERED = ("progress", "display")


class _Calls:
    """The socket of one process, which its threads share: one of them reads for
    all that wait."""

    def __init__(self, connection):
        self.connection = connection
        self.changed = threading.Condition()
        self.answers = {}
        self.last = 0
        self.is_read = False

    def ask(self, name, data):
        with self.changed:
            self.last = number = self.last + 1
        self.connection.send(b"%d %s %s" % (number, name.encode(), data))
        with self.changed:
            while number not in self.answers:
                if self.is_read:
                    self.changed.wait()
                else:
                    self._read()
            return self.answers.pop(number)

    def _read(self):
        self.is_read = True
        self.changed.release()
        answer = None
        try:
            answer = self.connection.recv(DATAGRAM_BYTES)
        finally:
            self.changed.acquire()
            self.is_read = False
            self.changed.notify_all()
        if not answer:
            raise ConnectionResetError("the host takes no more calls of this program")
        number, kind, data = answer.split(b" ", 2)
        self.answers[int(number)] = int(kind), data


_lock = threading.Lock()
_calls = None
# When all sockets are given out, the one that all processes share.
_shared = None


_knows_of_forks = False


def _forget():
    global _calls, _lock
    _calls, _lock = None, threading.Lock()


def _connection():
    """The socket that this program was started with, or None."""
    try:
        connection = socket.socket(fileno=os.dup(int(os.environ[VARIABLE])))
    except (KeyError, ValueError, OSError):
        return None
    # The program may have put a file in its place.
    is_ours = connection.family == socket.AF_UNIX and connection.type == socket.SOCK_SEQPACKET
    return connection if is_ours else connection.close()


def _own(shared):
    """A socket of this process alone, or None where there is none left."""
    shared.send(b"+")
    # Never with a timeout of its own, which others who share it would get as well.
    poll = select.poll()
    poll.register(shared, select.POLLIN)
    if not poll.poll(PATIENCE_SECONDS * 1000):
        raise TimeoutError("the host does not answer, or another process of this program took the answer")
    _, control, _, _ = shared.recvmsg(16, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = array.array("i", data[:4])
            return socket.socket(fileno=descriptors[0])
    return None


def _open():
    """The calls of this process; None when it can call, and hears no answer."""
    global _calls, _shared, _knows_of_forks
    with _lock:
        if _calls is None and _shared is None:
            shared = _connection()
            if shared is None:
                raise LookupError
            own = _own(shared)
            if own is None:
                _shared = shared
            else:
                shared.close()
                _calls = _Calls(own)
                if not _knows_of_forks:
                    _knows_of_forks = True
                    os.register_at_fork(after_in_child=_forget)
        return _calls


def ask(name, data):
    """Kind and bytes of the answer to a call."""
    if len(data) > MOST_BYTES:
        return FAILED, f"bytes of a call may be {MOST_BYTES} at most, and this is {len(data)}".encode()
    try:
        calls = _open()
        if calls is not None:
            return calls.ask(name, data)
        if name not in UNANSWERED:
            return FAILED, b"all sockets for answers are in use by other processes of this program"
        _shared.send(b"- %s %s" % (name.encode(), data))
        return 0, b"null"
    except LookupError:
        text = f"this program may not call `{name}`: nothing that its host answers is granted to it"
        return DENIED, text.encode()
    except OSError as error:
        return FAILED, f"the host cannot be called: {error}".encode()


async def ask_async(name, data):
    """The same for asyncio."""
    import asyncio
    return await asyncio.get_running_loop().run_in_executor(None, ask, name, data)
