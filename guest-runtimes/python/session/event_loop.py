"""asyncio without sockets.

The standard event loop wakes itself through a socket pair, which WASI does not
have. Here waiting is sleeping until the next timer while threads go on.
"""
import asyncio
import asyncio.base_events
import asyncio.events
import asyncio.runners

from . import missing, source, threads

# A stopped run is given 100 ms, or 500 ms in a session, before it is dropped.
TIDY_SECONDS = 0.03


class _Timers:
    """A selector that watches nothing."""

    def __init__(self, loop):
        self._loop = loop

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            # A thread may call call_soon_threadsafe().
            if not threads.idle(timeout, lambda: self._loop._ready):
                raise RuntimeError(
                    "deadlock: every task waits for something that no other task will do; "
                    "without network only timers, threads and other tasks can wake a task")
        else:
            threads.give_turn()
        return []

    def close(self):
        pass

    def get_map(self):
        return {}


class EventLoop(asyncio.base_events.BaseEventLoop):
    """Timers and tasks only."""

    def __init__(self):
        super().__init__()
        self._selector = _Timers(self)

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    async def getaddrinfo(self, *args, **kwargs):
        raise missing.network()

    async def create_connection(self, *args, **kwargs):
        raise missing.network()

    async def create_server(self, *args, **kwargs):
        raise missing.network()

    async def create_datagram_endpoint(self, *args, **kwargs):
        raise missing.network()

    async def subprocess_shell(self, *args, **kwargs):
        raise missing.processes()

    async def subprocess_exec(self, *args, **kwargs):
        raise missing.processes()

    def add_signal_handler(self, sig, callback, *args):
        # No signal will ever come, so there is nothing to do about it.
        pass

    def remove_signal_handler(self, sig):
        return False


class _State:
    """Which loop a thread has set."""

    _loop = None
    _set_called = False


class _Policy(asyncio.DefaultEventLoopPolicy):
    """In each run the first asyncio.get_event_loop() makes a loop, as that of a
    script does, whatever earlier runs did with theirs."""

    _loop_factory = EventLoop
    _Local = dict
    _run = 0

    @property
    def _local(self):
        thread = threads.get_ident()
        local = self._states.get(thread)
        if local is None:
            local = self._states[thread] = _State()
        if self._run != source.count():
            self._run = source.count()
            local._set_called = False
            if local._loop is not None and local._loop.is_closed():
                local._loop = None
        return local

    @_local.setter
    def _local(self, states):
        self._states = states


_loop = None
_standard_run = asyncio.runners.run


def run_nested(main, **options):
    """asyncio.run(), which also works while a cell awaits something itself."""
    outer = asyncio.events._get_running_loop()
    if outer is None:
        return _standard_run(main, **options)
    asyncio.events._set_running_loop(None)
    try:
        return _standard_run(main, **options)
    finally:
        asyncio.events._set_running_loop(outer)


def _create_named(self, coro, *, name=None, **options):
    return asyncio.base_events.BaseEventLoop.create_task(self, coro, name=name or "preparation", **options)


def install():
    """Makes this loop asyncio's own."""
    asyncio.set_event_loop_policy(_Policy())
    # Tasks without a name are numbered, and a program's begin with one.
    EventLoop.create_task = _create_named
    asyncio.run = asyncio.runners.run = run_nested


def run(coroutine):
    """Runs a cell that awaits. Tasks that it started live on until the next
    such cell; the cell itself does not, however it ends."""
    global _loop
    if _loop is not None and _loop.is_running():
        # A cell was interrupted while it left the loop.
        asyncio.events._set_running_loop(None)
        _loop = None
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    cell = _loop.create_task(coroutine)
    try:
        return _loop.run_until_complete(cell)
    finally:
        if not cell.done():
            _end(cell, coroutine)


def _end(cell, coroutine):
    """Ends a cell that was stopped or cannot go on, so that nothing of it
    happens in a later one."""
    # Nobody asks what became of it.
    cell.add_done_callback(lambda task: task.cancelled() or task.exception())
    cell.cancel()
    try:
        # It may tidy up, but not take its time over it: the host has little.
        _loop.run_until_complete(asyncio.wait({cell}, timeout=TIDY_SECONDS))
    except RuntimeError:
        # Somebody closed the loop.
        pass
    finally:
        if not cell.done():
            try:
                coroutine.close()
            except RuntimeError:
                # It awaits even then.
                pass


def forget():
    """Drops the loop of cells."""
    global _loop
    if _loop is not None:
        _loop.close()
        asyncio.set_event_loop(None)
        asyncio.get_event_loop_policy()._run = 0
    _loop = None
    if "create_task" in EventLoop.__dict__:
        del EventLoop.create_task
