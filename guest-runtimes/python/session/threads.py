"""Threads of a program where there is one thread of execution.

A thread runs when it is started, up to the first place where it has to wait:
its functions are compiled anew as generators that are left there (`suspend.py`)
and go on when what they wait for has come. The main program cannot be left: while
it waits for a lock, an event, a queue, another thread or for time to pass, the
others go on. Where nobody can, waiting is an error that says so.

What cannot be compiled anew, such as the standard library's own functions, runs
to its end; if it has to wait, the others go on meanwhile, and if they cannot
either, that too is an error.
"""
import _thread
import concurrent.futures.thread
import contextvars
import queue
import sys
import threading
import time
from asyncio.events import _get_running_loop, _set_running_loop
from time import monotonic

from _belljar_native import on_wait, was_interrupted

from . import calls
from .errors import LIBRARIES, own_frames

_real_sleep = time.sleep
_real_start = threading._start_joinable_thread
_main = _thread.get_ident()
# How long a thread may go on before others get their turn.
SLICE_SECONDS = 0.005
# What the worker of a pool waits for while there is nothing to do.
FOR_WORK = "work"
TIME = "time to pass"


class Wait:
    """What a thread waits for: until `ready()`, or until a time."""

    __slots__ = ("ready", "until", "what")

    def __init__(self, ready, until, what):
        self.ready = ready
        self.until = until
        self.what = what

    def is_over(self, now):
        return self.ready() or self.until is not None and now >= self.until


class _Handle:
    """What a Thread knows of the thread of execution that it does not have."""

    def __init__(self):
        self.ident = 0
        self._done = False

    def is_done(self):
        return self._done

    def _set_done(self):
        self._done = True

    def join(self, timeout=None):
        until = None if timeout is None or timeout < 0 else monotonic() + timeout
        wait_here(self.is_done, until)


class _Task:
    """A thread that was started and has not ended."""

    def __init__(self, thread, handle, life):
        self.thread = thread
        self.handle = handle
        self.ident = handle.ident
        self.life = life
        self.wait = None
        # On the stack: it cannot be resumed from there.
        self.is_running = False
        self.context = contextvars.Context()
        # Whose worker it is: a weak reference.
        self.executor = (thread._args[0] if getattr(thread, "_target", None) is
                         concurrent.futures.thread._worker else None)

    def is_over(self):
        """Whether nothing of it is left to do: it ended, or has no work."""
        wait = self.wait
        return (self.handle._done or not self.is_running and wait is not None and wait.what is FOR_WORK
                and not wait.ready())


# In the order in which they get their turns; a dictionary, because there may be
# thousands and each leaves its place.
_tasks = {}
_current = _main
_last_ident = _main
_slice_end = 0.0
# Errors of threads that had to wait where they cannot be left.
_stuck = []


def get_ident():
    """threading.get_ident()"""
    return _current


def _start_joinable_thread(function, handle=None, daemon=True):
    """_thread.start_joinable_thread()"""
    global _last_ident
    thread = getattr(function, "__self__", None)
    if not isinstance(thread, threading.Thread):
        thread = threading.Thread(target=function, daemon=daemon)
        thread.start()
        return thread._handle
    _last_ident += 1
    handle.ident = thread._ident = _last_ident
    if hasattr(thread, "_native_id"):
        thread._native_id = _last_ident
    threading._active[_last_ident] = thread
    threading._limbo.pop(thread, None)
    thread._started.set()
    task = _Task(thread, handle, None)
    task.life = _life(task)
    _tasks[task] = None
    if not _is_late(thread):
        _resume(task)
    return handle


def _start_new_thread(function, args, kwargs={}, /):
    """_thread.start_new_thread()"""
    thread = threading.Thread(target=function, args=args, kwargs=kwargs, daemon=True)
    thread.start()
    return thread.ident


def _is_late(thread):
    """Whether to run it when somebody waits, not when it is started: the
    standard library's own functions cannot be left where they wait, and the
    worker of an executor is started while that is locked."""
    target = getattr(thread, "_target", None)
    target = getattr(target, "__func__", target)
    code = getattr(target, "__code__", None)
    return (code is not None and code.co_filename.startswith(LIBRARIES)
            and (target is concurrent.futures.thread._worker or target not in _suspend().KNOWN))


def _suspend():
    """Functions that can be left where they wait: wanted with the first thread."""
    from . import loops, pools, suspend, waits  # noqa: F401
    return suspend


def _life(task):
    """A thread from its start to its end."""
    thread = task.thread
    try:
        yield from _suspend().call(thread.run)
    except BaseException as failure:
        if is_limit(failure):
            _leave_executor(task)
            raise
        failure.__traceback__ = own_frames(failure.__traceback__)
        thread._invoke_excepthook(thread)
    finally:
        threading._active.pop(task.ident, None)


def is_limit(failure):
    return isinstance(failure, KeyboardInterrupt) and was_interrupted()


def _resume(task):
    """Lets a thread go on to its next wait."""
    global _current, _slice_end
    before, end, loop = _current, _slice_end, _get_running_loop()
    _current = task.ident
    _set_running_loop(None)
    _slice_end = monotonic() + SLICE_SECONDS
    task.is_running = True
    ended = True
    try:
        task.wait = task.context.run(task.life.send, None)
        ended = False
    except StopIteration:
        pass
    finally:
        _current, _slice_end = before, end
        _set_running_loop(loop)
        task.is_running = False
        if task in _tasks:
            del _tasks[task]
            if not ended:
                # Who waits longest is the first to get what many wait for.
                _tasks[task] = None
        if ended:
            task.handle._done = True


def tick():
    """What a loop of a thread yields: nothing, or a turn for others."""
    return _TURN if monotonic() > _slice_end else ()


def _always():
    return True


_TURN = (Wait(_always, None, "its turn"),)


def _due(task):
    """When a thread goes on that only lets time pass; 0 for the others."""
    wait = task.wait
    return wait.until if wait is not None and wait.what is TIME else 0


def _pass(ready=None):
    """Lets every other thread that can go on do so. Whether any could."""
    went_on = False
    for task in sorted(_tasks, key=_due):
        if task.is_running or task.handle._done:
            continue
        if task.wait is None or task.wait.is_over(monotonic()):
            _resume(task)
            went_on = True
            if ready is not None and ready():
                break
    return went_on


def wait_here(ready, until):
    """Waits in code that cannot be left. Whether `ready()` came before the
    time was over."""
    while not ready():
        if until is not None and monotonic() >= until:
            return False
        if not _pass(ready):
            _idle(until, ready)
    return True


def _idle(until, ready=None):
    """Nobody can go on: time has to pass, if that is enough."""
    times = [task.wait.until for task in _tasks
             if not task.is_running and task.wait is not None and task.wait.until is not None]
    if until is not None:
        times.append(until)
    left = min(times) - monotonic() if times else None
    if calls.in_flight:
        calls.collect(left)
    elif left is None:
        raise _deadlock()
    elif left > 0:
        _real_sleep(left)


def _waiting_call():
    """The name of the call of the standard library that waits."""
    frame, name = sys._getframe(1), "it"
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(LIBRARIES):
            break
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("_belljar"):
            name = f"{module}.{code.co_qualname}()"
        frame = frame.f_back
    return "a lock" if name == "it" else name


def _deadlock():
    others = [task for task in _tasks
              if not task.is_running and task.wait is not None and task.wait.what is not FOR_WORK]
    call = _waiting_call()
    subject = "acquiring a lock that is taken" if call == "a lock" else call
    text = f"deadlock: {subject} would wait for ever, because "
    if others:
        text += "every other thread waits too: " + ", ".join(
            f"{task.thread.name} for {task.wait.what}" for task in others[:5])
    elif any(task.is_running and task.ident != _current for task in _tasks) or _current != _main:
        text += ("what it waits for must come from a thread that cannot go on before this one "
                 "ends: threads here take turns, and a function can only be left where it waits "
                 "itself, not from inside of a call of C or of the standard library")
    else:
        text += "no other thread is running"
    error = RuntimeError(text)
    if _current != _main:
        _stuck.append(error)
    return error


def _on_wait(left):
    """Somebody has to wait for a lock; `left` seconds, or None for ever."""
    if not _pass():
        _idle(None if left is None else monotonic() + left)


def sleep(seconds, /):
    """sleep(seconds)

    Delay execution for a given number of seconds.  The argument may be
    a floating-point number for subsecond precision."""
    if not _tasks or not seconds > 0:
        _real_sleep(seconds)
    else:
        wait_here(_never, monotonic() + seconds)


def _never():
    return False


def begin_last():
    """Runs the thread that was started last up to its first wait."""
    task = next(reversed(_tasks))
    if task.wait is None and not task.is_running:
        _resume(task)


def give_turn():
    """Lets threads go on, as a loop that never waits has to."""
    if calls.in_flight:
        calls.collect(0)
    if _tasks:
        _pass()


def idle(seconds, ready):
    """What an event loop does while it has nothing to do: lets threads go on
    until `ready()`; for `seconds`, or None. Whether there was anything to
    wait for."""
    if seconds is None and not _tasks and not calls.in_flight:
        return False
    wait_here(ready, None if seconds is None else monotonic() + seconds)
    return True


def _unfinished():
    return [task for task in _tasks if not task.thread._daemonic and not task.is_over()]


def finish(last):
    """The end of the main program: waits for the threads that are not daemons.
    Workers of executors have no end while there may be more work for them."""
    if _stuck:
        error = _stuck[0]
        _stuck.clear()
        raise error
    try:
        if last and concurrent.futures.thread._threads_queues:
            concurrent.futures.thread._python_exit()
        while left := _unfinished():
            wait_here(left[0].is_over, None)
    except BaseException:
        # A limit too: they would use up that of the next run.
        _drop(_unfinished())
        raise
    if _stuck:
        error = _stuck[0]
        _stuck.clear()
        raise error


def _drop(tasks):
    """Forgets threads that will not go on."""
    for task in tasks:
        del _tasks[task]
        _dropped.append(task.life)
        task.handle._done = True
        threading._active.pop(task.ident, None)
        _leave_executor(task)
    _stuck.clear()


def _leave_executor(task):
    """Makes room in an executor for a worker in the place of one that a limit
    ended; what else it was to do would use up that of the next run."""
    executor = task.executor and task.executor()
    if executor is not None:
        executor._threads.discard(task.thread)
        executor._work_queue.__init__()


# Kept, because a generator that is thrown away would run its `finally` blocks.
_dropped = []


def _is_alive(self):
    """Return whether the thread is alive.

    This method returns True just before the run() method starts until just
    after the run() method terminates. See also the module function
    enumerate()."""
    if self._started.is_set() and not self._handle.is_done() and _tasks:
        # Programs ask in a loop.
        _pass()
    return _standard_is_alive(self)


def _is_set(self):
    """Return true if and only if the internal flag is true."""
    # Programs ask in a loop; Thread.start() asks once.
    if not self._flag and _tasks and sys._getframe(1).f_globals is not threading.__dict__:
        _pass()
    return self._flag


_standard_is_alive = threading.Thread.is_alive


def install():
    """Makes these threads those of `threading`."""
    global _real_sleep
    import _threading_local
    # Whoever else takes its place has done so.
    _real_sleep = time.sleep
    for module in (threading, _thread):
        module.get_ident = get_ident
    get_ident.__module__ = "_thread"
    get_ident.__qualname__ = "get_ident"
    sleep.__module__ = "time"
    threading._ThreadHandle = _Handle
    threading._start_joinable_thread = _thread.start_joinable_thread = _start_joinable_thread
    _thread.start_new_thread = _thread.start_new = _start_new_thread
    threading._CRLock = None
    # Event loops look whose it is.
    lock = threading._PyRLock
    lock.__module__, lock.__name__, lock.__qualname__ = "_thread", "RLock", "RLock"
    threading.local = _threading_local.local
    for name, method in (("is_alive", _is_alive),):
        method.__name__, method.__qualname__ = name, f"Thread.{name}"
        setattr(threading.Thread, name, method)
    _is_set.__name__, _is_set.__qualname__ = "is_set", "Event.is_set"
    threading.Event.is_set = _is_set
    queue.SimpleQueue = queue._PySimpleQueue
    time.sleep = sleep
    on_wait(_on_wait)
