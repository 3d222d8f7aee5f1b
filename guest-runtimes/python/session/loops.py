"""Event loops in threads: what runs one, as generators.

While the thread is left, its loop is not the running one, because for Python all
threads are one.
"""
import asyncio
import asyncio.base_events
import asyncio.runners
import sys
from asyncio import events, futures, tasks

from . import event_loop, suspend, threads
from .threads import Wait

_BaseLoop = asyncio.base_events.BaseEventLoop
_stop_when_done = asyncio.base_events._run_until_complete_cb


def _outside(loop, waits):
    """Yields what is in `waits` while the loop does not run."""
    for wait in waits:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(*loop._old_agen_hooks)
        events._set_running_loop(None)
        try:
            yield wait
        finally:
            events._set_running_loop(loop)
            sys.set_asyncgen_hooks(*hooks)


def _run_forever(loop):
    if not isinstance(loop, event_loop.EventLoop):
        return loop.run_forever()

    def has_work():
        return loop._ready or loop._stopping

    loop._run_forever_setup()
    try:
        while True:
            if not has_work():
                until = loop._scheduled[0].when() if loop._scheduled else None
                yield from _outside(loop, [Wait(has_work, until, "work for its event loop")])
            loop._run_once()
            if loop._stopping:
                break
            yield from _outside(loop, threads.tick())
    finally:
        loop._run_forever_cleanup()


def _run_until_complete(loop, future):
    if not isinstance(loop, event_loop.EventLoop):
        return loop.run_until_complete(future)
    loop._check_closed()
    loop._check_running()
    is_new = not futures.isfuture(future)
    future = tasks.ensure_future(future, loop=loop)
    if is_new:
        future._log_destroy_pending = False
    future.add_done_callback(_stop_when_done)
    try:
        yield from _run_forever(loop)
    except BaseException:
        if is_new and future.done() and not future.cancelled():
            future.exception()
        raise
    finally:
        future.remove_done_callback(_stop_when_done)
    if not future.done():
        raise RuntimeError("Event loop stopped before Future completed.")
    return future.result()


def _runner_run(runner, coro, *, context=None):
    if events._get_running_loop() is not None or not asyncio.iscoroutine(coro):
        return runner.run(coro, context=context)
    runner._lazy_init()
    task = runner._loop.create_task(coro, context=runner._context if context is None else context)
    return (yield from _run_until_complete(runner._loop, task))


def _run(main, **options):
    if events._get_running_loop() is not None:
        return asyncio.run(main, **options)
    with asyncio.Runner(**options) as runner:
        return (yield from _runner_run(runner, main))


suspend.KNOWN.update({
    _BaseLoop.run_forever: _run_forever,
    _BaseLoop.run_until_complete: _run_until_complete,
    asyncio.Runner.run: _runner_run,
    event_loop.run_nested: _run,
})
