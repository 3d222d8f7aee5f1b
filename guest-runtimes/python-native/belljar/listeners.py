"""Listeners and clients of `multiprocessing.connection`, and so managers, where
there are no sockets: over pipes, which any process of the same run can open.

The address of a listener is a symbolic link to the pipe that it reads. A client
makes two pipes of its own, writes there where they are, and waits until the
listener has opened the other ends.
"""
import os
import struct
import threading

# Process, and the descriptors in it of the ends that are for the listener. A
# pipe takes so few bytes whole.
CALL = struct.Struct("<qii")
ACCEPTED = b"+"


def change(connection):
    socket_listener, socket_client = connection.SocketListener, connection.SocketClient

    class PipedConnection(connection.Connection):
        """A connection that reads here and writes there."""

        def __init__(self, readable, writable):
            super().__init__(readable)
            self._writable = writable

        def _close(self, _close=os.close):
            _close(self._handle)
            _close(self._writable)

        def _send(self, data, write=os.write):
            rest = memoryview(data).cast("B")
            while rest:
                rest = rest[write(self._writable, rest):]

        def __reduce__(self):
            raise TypeError("this connection cannot be given to another process here: open one there, by its address")

    class PipeListener:
        def __init__(self, address, family, backlog=1):
            self._family = family
            self._last_accepted = None
            # Its own end for writing keeps it open while there is no client.
            self._calls, self._kept_open = os.pipe()
            try:
                os.symlink(_place(os.getpid(), self._kept_open), address)
            except FileExistsError:
                self._close_pipe()
                raise OSError(98, "Address already in use") from None
            except BaseException:
                self._close_pipe()
                raise
            self._address, self._owner = address, os.getpid()
            self._closing = threading.Lock()

        def accept(self):
            while True:
                call = os.read(self._calls, CALL.size)
                if len(call) != CALL.size:
                    raise OSError(22, "Invalid argument")
                process, readable, writable = CALL.unpack(call)
                ends = []
                try:
                    ends.append(os.open(_place(process, readable), os.O_RDONLY | os.O_CLOEXEC))
                    ends.append(os.open(_place(process, writable), os.O_WRONLY | os.O_CLOEXEC))
                    os.write(ends[1], ACCEPTED)
                except OSError:
                    # It is gone, or has thought better of it.
                    for end in ends:
                        os.close(end)
                    continue
                return PipedConnection(*ends)

        def close(self):
            with self._closing:
                calls, self._calls = self._calls, None
                if calls is None:
                    return
                os.close(calls)
                os.close(self._kept_open)
                if self._owner == os.getpid():
                    try:
                        os.unlink(self._address)
                    except OSError:
                        pass

        def _close_pipe(self):
            os.close(self._calls)
            os.close(self._kept_open)

    def listener(address, family, backlog=1):
        kind = PipeListener if family == "AF_UNIX" else socket_listener
        return kind(address, family, backlog)

    def client(address):
        if connection.address_type(address) != "AF_UNIX":
            return socket_client(address)
        try:
            calls = os.open(address, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            # A link that leads nowhere is what a listener leaves that is gone.
            kind = ConnectionRefusedError(111, "Connection refused") if os.path.islink(address) else error
            raise kind from None
        ends = []
        try:
            os.set_blocking(calls, True)
            ends.extend(os.pipe())
            ends.extend(os.pipe())
            theirs, ours_out, ours_in, answers = ends
            os.write(calls, CALL.pack(os.getpid(), theirs, answers))
            os.close(calls)
            calls = None
            # Its own end of that pipe is open, so a listener that ends now is
            # not noticed by reading.
            _wait_for(ours_in, address)
            os.close(theirs)
            os.close(answers)
            del ends[3], ends[0]
            return PipedConnection(ours_in, ours_out)
        except BaseException:
            for end in ends if calls is None else [calls, *ends]:
                os.close(end)
            raise

    connection.SocketListener, connection.SocketClient = listener, client


def _place(process, descriptor):
    return f"/proc/{process}/fd/{descriptor}"


def _wait_for(answer, address):
    import select
    poll = select.poll()
    poll.register(answer, select.POLLIN)
    while not poll.poll(200):
        if not os.path.exists(address):
            raise ConnectionRefusedError(111, "Connection refused")
    if os.read(answer, 1) != ACCEPTED:
        raise ConnectionRefusedError(111, "Connection refused")
