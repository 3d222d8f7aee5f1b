"""Pools of workers: the standard ones on the threads that there are here
(`pools.py` has what their threads do), and one that stands for processes.
"""
import concurrent.futures
import concurrent.futures.thread
import multiprocessing.dummy
import multiprocessing.pool
import os
import queue
import sys
import traceback
import types
from multiprocessing.reduction import ForkingPickler

from . import errors, missing, threads


class BrokenProcessPool(concurrent.futures.BrokenExecutor):
    """
    Raised when a process in a ProcessPoolExecutor terminated abruptly
    while a future was in the running state.
    """


class _RemoteTraceback(Exception):
    def __init__(self, tb):
        self.tb = tb

    def __str__(self):
        return self.tb


def _copy(value):
    """What a process would get of it."""
    return ForkingPickler.loads(ForkingPickler.dumps(value))


def call_copied(function, args, kwargs):
    """A call as a process would make it: with copies, and a copy comes back."""
    from . import suspend
    function, args, kwargs = _copy((function, args, kwargs))
    try:
        result = yield from suspend.call(function, *args, **kwargs)
    except BaseException as failure:
        if threads.is_limit(failure):
            raise
        trace = errors.own_frames(failure.__traceback__)
        text = "".join(traceback.format_exception(type(failure), failure, trace))
        failure = _copy(failure)
        failure.__cause__ = _RemoteTraceback(f'\n"""\n{text}"""')
        raise failure.with_traceback(None)
    return _copy(result)


class ProcessPoolExecutor(concurrent.futures.Executor):
    """Runs calls asynchronously, as processes would: on copies of what they are
    given, but in threads, because there are no processes here."""

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), *,
                 max_tasks_per_child=None):
        if max_workers is None:
            max_workers = os.process_cpu_count() or 1
        elif max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        self._max_workers = max_workers
        self._workers = concurrent.futures.thread.ThreadPoolExecutor(
            max_workers, "ProcessPoolExecutor", initializer, initargs)

    def submit(self, fn, /, *args, **kwargs):
        try:
            return self._workers.submit(call_copied, fn, args, kwargs)
        except concurrent.futures.thread.BrokenThreadPool:
            raise BrokenProcessPool(
                "A process in the process pool was terminated abruptly while the future was running or "
                "pending.") from None

    submit.__doc__ = concurrent.futures.Executor.submit.__doc__

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        return super().map(fn, *iterables, timeout=timeout)

    map.__doc__ = concurrent.futures.Executor.map.__doc__

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._workers.shutdown(wait, cancel_futures=cancel_futures)

    shutdown.__doc__ = concurrent.futures.Executor.shutdown.__doc__


_standard_submit = concurrent.futures.thread.ThreadPoolExecutor.submit


def submit(self, fn, /, *args, **kwargs):
    count = len(self._threads)
    future = _standard_submit(self, fn, *args, **kwargs)
    if len(self._threads) > count:
        threads.begin_last()
    return future


submit.__doc__ = _standard_submit.__doc__
submit.__module__ = "concurrent.futures.thread"
submit.__qualname__ = "ThreadPoolExecutor.submit"


class _ThreadContext:
    """What a pool of threads takes from multiprocessing."""

    SimpleQueue = queue.SimpleQueue


def _no_sentinels(self):
    return []


def _no_processes(self):
    raise missing.processes()


def install():
    """Puts these pools where programs look."""
    name = "concurrent.futures.process"
    module = types.ModuleType(name)
    for value in (ProcessPoolExecutor, BrokenProcessPool, _RemoteTraceback):
        value.__module__ = name
        setattr(module, value.__name__, value)
    sys.modules[name] = concurrent.futures.process = module
    concurrent.futures.ProcessPoolExecutor = ProcessPoolExecutor
    concurrent.futures.thread.ThreadPoolExecutor.submit = submit
    concurrent.futures.ThreadPoolExecutor = concurrent.futures.thread.ThreadPoolExecutor
    # The queues of threads.install().
    _ThreadContext.SimpleQueue = queue.SimpleQueue
    multiprocessing.pool.get_context = _ThreadContext
    multiprocessing.pool.ThreadPool._get_sentinels = _no_sentinels
    multiprocessing.pool.Pool._setup_queues = _no_processes
