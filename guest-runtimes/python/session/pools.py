"""What the threads of pools do, and what waits for them, one generator for each
function.

Each does what the standard one does, and can be left where that would wait or
where the call that it makes for the program waits.
"""
import concurrent.futures
import concurrent.futures.thread
import itertools
import multiprocessing.pool
import queue
import threading
from concurrent.futures import _base
from time import monotonic

from . import executors, suspend, threads
from .suspend import call, until_after
from .threads import FOR_WORK, Wait

_DONE = (_base.CANCELLED, _base.CANCELLED_AND_NOTIFIED, _base.FINISHED)
_Pool = multiprocessing.pool.Pool


def _item(waited):
    """The next item of a SimpleQueue."""
    while not waited._queue:
        yield Wait(lambda: waited._queue, None, FOR_WORK)
    return waited.get(False)


# ---- concurrent.futures ----

def _work_item_run(item):
    if not item.future.set_running_or_notify_cancel():
        return
    try:
        result = yield from call(item.fn, *item.args, **item.kwargs)
        # A call that took long would have been interrupted meanwhile.
        yield from threads.tick()
    except BaseException as failure:
        if threads.is_limit(failure):
            raise
        failure.__traceback__ = threads.own_frames(failure.__traceback__)
        item.future.set_exception(failure)
        item = None
    else:
        item.future.set_result(result)


def _worker(executor_reference, work_queue, initializer, initargs):
    if initializer is not None:
        try:
            yield from call(initializer, *initargs)
        except BaseException as failure:
            if threads.is_limit(failure):
                raise
            failure.__traceback__ = threads.own_frames(failure.__traceback__)
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            executor = executor_reference()
            if executor is not None:
                executor._initializer_failed()
            return
    while True:
        try:
            item = work_queue.get_nowait()
        except queue.Empty:
            executor = executor_reference()
            if executor is not None:
                executor._idle_semaphore.release()
            del executor
            item = yield from _item(work_queue)
        if item is not None:
            yield from _work_item_run(item)
            del item
            continue
        executor = executor_reference()
        if executor is None or executor._shutdown or concurrent.futures.thread._shutdown:
            if executor is not None:
                executor._shutdown = True
            # For the other workers.
            work_queue.put(None)
            return
        del executor


def _future_result(future, timeout=None):
    until = until_after(timeout)
    while future._state not in _DONE and (until is None or monotonic() < until):
        yield Wait(lambda: future._state in _DONE, until, "the result of a call")
    return future.result(0)


def _futures_wait(fs, timeout=None, return_when=_base.ALL_COMPLETED):
    fs = set(fs)

    def is_over():
        if return_when == _base.ALL_COMPLETED:
            return all(future._state in _DONE for future in fs)
        return any(future._state in _DONE and (
            return_when != _base.FIRST_EXCEPTION or future._state == _base.FINISHED and future._exception)
            for future in fs) or all(future._state in _DONE for future in fs)

    if not is_over():
        yield Wait(is_over, until_after(timeout), "the results of calls")
    return _base.wait(fs, 0, return_when)


# ---- multiprocessing.pool ----

def _mapstar(args):
    results = []
    for arguments in zip(*args[1:]):
        results.append((yield from call(args[0], *arguments)))
    return results


def _starmapstar(args):
    results = []
    for arguments in args[1]:
        results.append((yield from call(args[0], *arguments)))
    return results


def _pool_worker(inqueue, outqueue, initializer=None, initargs=(), maxtasks=None, wrap_exception=False):
    if initializer is not None:
        yield from call(initializer, *initargs)
    for _ in itertools.count() if maxtasks is None else range(maxtasks):
        task = yield from _item(inqueue)
        if task is None:
            break
        job, number, func, args, kwds = task
        try:
            result = True, (yield from call(func, *args, **kwds))
            yield from threads.tick()
        except Exception as failure:
            failure.__traceback__ = threads.own_frames(failure.__traceback__)
            result = False, failure
        outqueue.put((job, number, result))
        task = job = result = func = args = kwds = None


def _handle_workers(cls, cache, taskqueue, ctx, Process, processes, pool, inqueue, outqueue, initializer,
                    initargs, maxtasksperchild, wrap_exception, sentinels, change_notifier):
    thread = threading.current_thread()
    while thread._state == multiprocessing.pool.RUN or cache and thread._state != multiprocessing.pool.TERMINATE:
        cls._maintain_pool(ctx, Process, processes, pool, inqueue, outqueue, initializer, initargs,
                           maxtasksperchild, wrap_exception)
        yield from _item(change_notifier)
        while not change_notifier.empty():
            change_notifier.get()
    taskqueue.put(None)


def _handle_tasks(taskqueue, put, outqueue, pool, cache):
    thread = threading.current_thread()
    while (work := (yield from _item(taskqueue))) is not None:
        tasks, set_length = work
        task = None
        for task in tasks:
            if thread._state != multiprocessing.pool.RUN:
                break
            put(task)
        else:
            if set_length:
                set_length(task[1] + 1 if task else 0)
            work = tasks = task = None
            continue
        break
    outqueue.put(None)
    for _ in pool:
        put(None)


def _handle_results(outqueue, get, cache):
    thread = threading.current_thread()
    while True:
        result = yield from _item(outqueue)
        if thread._state == multiprocessing.pool.TERMINATE:
            return
        if result is None:
            break
        _set(cache, result)
        result = None
    while cache and thread._state != multiprocessing.pool.TERMINATE:
        result = yield from _item(outqueue)
        if result is not None:
            _set(cache, result)
            result = None


def _set(cache, result):
    job, number, value = result
    if job in cache:
        cache[job]._set(number, value)


def _result_wait(result, timeout=None):
    return call(result._event.wait, timeout)


def _result_get(result, timeout=None):
    yield from call(result._event.wait, timeout)
    return result.get(0)


def _pool_join(pool):
    if pool._state != multiprocessing.pool.RUN:
        for thread in (pool._worker_handler, pool._task_handler, pool._result_handler, *pool._pool):
            yield from call(thread.join)
    return pool.join()


suspend.KNOWN.update({
    executors.call_copied: executors.call_copied,
    concurrent.futures.thread._worker: _worker,
    _base.Future.result: _future_result,
    _base.wait: _futures_wait,
    multiprocessing.pool.worker: _pool_worker,
    multiprocessing.pool.mapstar: _mapstar,
    multiprocessing.pool.starmapstar: _starmapstar,
    _Pool._handle_workers.__func__: _handle_workers,
    _Pool._handle_tasks: _handle_tasks,
    _Pool._handle_results: _handle_results,
    _Pool.join: _pool_join,
    multiprocessing.pool.ApplyResult.get: _result_get,
    multiprocessing.pool.ApplyResult.wait: _result_wait,
})
