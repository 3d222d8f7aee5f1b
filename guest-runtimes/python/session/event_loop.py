"""asyncio without sockets and threads.

The standard event loop wakes itself through a socket pair, which WASI does not
have. Here waiting is sleeping until the next timer, and what would go to
another thread runs at once.
"""
import asyncio
import asyncio.base_events
import asyncio.events
import asyncio.runners
import time

from . import missing

# A stopped run is given 100 ms, or 500 ms in a session, before it is dropped.
TIDY_SECONDS = 0.03


class _Timers:
    """A selector that watches nothing."""

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError(
                "deadlock: every task waits for something that no other task will do; "
                "without threads and network only timers and other tasks can wake a task")
        if timeout > 0:
            time.sleep(timeout)
        return []

    def close(self):
        pass

    def get_map(self):
        return {}


class EventLoop(asyncio.base_events.BaseEventLoop):
    """Timers and tasks only."""

    def __init__(self):
        super().__init__()
        self._selector = _Timers()

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        pass

    def run_in_executor(self, executor, func, *args):
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

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


class _Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = EventLoop


_loop = None
_standard_run = asyncio.runners.run


def _run_nested(main, **options):
    """asyncio.run(), which also works while a cell awaits something itself."""
    outer = asyncio.events._get_running_loop()
    if outer is None:
        return _standard_run(main, **options)
    asyncio.events._set_running_loop(None)
    try:
        return _standard_run(main, **options)
    finally:
        asyncio.events._set_running_loop(outer)


def install():
    """Makes this loop asyncio's own."""
    asyncio.set_event_loop_policy(_Policy())
    asyncio.run = asyncio.runners.run = _run_nested


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
    _loop = None
