"""What waits in `threading` and `queue`, one generator for each call.

Each does what the standard one does, and yields where that would wait.
"""
import _thread
import queue
import threading
from time import monotonic

from . import api, asking, suspend, threads
from .suspend import acquire, acquire_semaphore, block_of, call, until_after
from .threads import TIME, Wait


def _never():
    return False


def _sleep(seconds, /):
    if not seconds > 0:
        threads._real_sleep(seconds)
    yield Wait(_never, monotonic() + seconds, TIME)


def _condition_wait(condition, timeout=None):
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = _thread.allocate_lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    notified = False
    try:
        notified = yield from acquire(waiter, True, -1 if timeout is None else max(timeout, 0))
        return notified
    finally:
        inner = block_of(condition._lock)
        while inner.locked():
            yield Wait(lambda: not inner.locked(), None, "the lock of a condition")
        condition._acquire_restore(saved)
        if not notified:
            try:
                condition._waiters.remove(waiter)
            except ValueError:
                pass


def _condition_wait_for(condition, predicate, timeout=None):
    until = until_after(timeout)
    result = predicate()
    while not result:
        left = None
        if until is not None:
            left = until - monotonic()
            if left <= 0:
                break
        yield from _condition_wait(condition, left)
        result = predicate()
    return result


def _event_wait(event, timeout=None):
    condition = event._cond
    yield from acquire(condition._lock)
    try:
        signaled = event._flag
        if not signaled:
            signaled = yield from _condition_wait(condition, timeout)
        return signaled
    finally:
        condition.release()


def _event_is_set(event):
    yield from threads.tick()
    return event._flag


def _barrier_wait(barrier, timeout=None):
    if timeout is None:
        timeout = barrier._timeout
    condition = barrier._cond
    yield from acquire(condition._lock)
    try:
        # Draining: -1 resetting, 1 letting the others go.
        while barrier._state in (-1, 1):
            yield from _condition_wait(condition)
        if barrier._state < 0:
            raise threading.BrokenBarrierError
        index = barrier._count
        barrier._count += 1
        try:
            if index + 1 == barrier._parties:
                barrier._release()
            else:
                if not (yield from _condition_wait_for(condition, lambda: barrier._state != 0, timeout)):
                    barrier._break()
                    raise threading.BrokenBarrierError
                if barrier._state < 0:
                    raise threading.BrokenBarrierError
            return index
        finally:
            barrier._count -= 1
            barrier._exit()
    finally:
        condition.release()


def _thread_join(thread, timeout=None):
    if (not thread._initialized or not thread._started.is_set()
            or thread is threading.current_thread()):
        return thread.join(timeout)
    until = None if timeout is None else monotonic() + max(timeout, 0)
    if not thread._handle.is_done():
        yield Wait(thread._handle.is_done, until, f"the end of {thread._name}")
    return None


def _thread_run(thread):
    try:
        if thread._target is not None:
            yield from call(thread._target, *thread._args, **thread._kwargs)
    finally:
        del thread._target, thread._args, thread._kwargs


def _timer_run(timer):
    yield from call(timer.finished.wait, timer.interval)
    if not timer.finished.is_set():
        yield from call(timer.function, *timer.args, **timer.kwargs)
    timer.finished.set()


def _thread_is_alive(thread):
    yield from threads.tick()
    return threads._standard_is_alive(thread)


def _queue_get(waited, block=True, timeout=None):
    if not block or timeout is not None and timeout < 0:
        return waited.get(block, timeout)
    until = until_after(timeout)
    while not (waited._qsize() or getattr(waited, "is_shutdown", False)):
        if until is not None and monotonic() >= until:
            break
        yield Wait(lambda: waited._qsize() or getattr(waited, "is_shutdown", False), until,
                   "an item of a queue")
    return waited.get(False)


def _queue_put(waited, item, block=True, timeout=None):
    if not block or waited.maxsize <= 0 or timeout is not None and timeout < 0:
        return waited.put(item, block, timeout)
    until = until_after(timeout)

    def is_open():
        return waited._qsize() < waited.maxsize or getattr(waited, "is_shutdown", False)

    while not is_open():
        if until is not None and monotonic() >= until:
            break
        yield Wait(is_open, until, "room in a queue")
    return waited.put(item, False)


def _queue_join(waited):
    while waited.unfinished_tasks:
        yield Wait(lambda: not waited.unfinished_tasks, None, "the tasks of a queue")


def _simple_queue_get(waited, block=True, timeout=None):
    if not block or timeout is not None and timeout < 0:
        return waited.get(block, timeout)
    if not (yield from acquire_semaphore(waited._count, True, timeout)):
        raise queue.Empty
    return waited._queue.popleft()


def _call(name, /, **arguments):
    return api.answer_of(*(yield from asking.steps(name, api.encoded(arguments))))


suspend.KNOWN.update({
    api.call: _call,
    threads.sleep: _sleep,
    threading.Condition.wait: _condition_wait,
    threading.Condition.wait_for: _condition_wait_for,
    threading.Event.wait: _event_wait,
    threading.Semaphore.acquire: acquire_semaphore,
    threading.Barrier.wait: _barrier_wait,
    threading._PyRLock.acquire: acquire,
    threading.Thread.join: _thread_join,
    threading.Thread.run: _thread_run,
    threading.Timer.run: _timer_run,
    threads._is_alive: _thread_is_alive,
    threads._is_set: _event_is_set,
    queue.Queue.get: _queue_get,
    queue.Queue.put: _queue_put,
    queue.Queue.join: _queue_join,
    queue._PySimpleQueue.get: _simple_queue_get,
})
