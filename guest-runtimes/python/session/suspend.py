"""Functions that can be left where they wait, and gone on with later.

A function of a program that runs in a thread becomes a generator that yields what
it waits for (see `threads.Wait`): compiled anew by `rewrite.py` when it is the
program's, written by hand when it is the standard library's (`KNOWN`).
"""
import _thread
import contextvars
import functools
import threading
import types
from time import monotonic

from . import rewrite, threads
from .threads import Wait

_LOCK = _thread.LockType
# Function of the standard library -> generator function that does the same.
KNOWN = {}


class _Returned:
    """What `yield from` takes a value from at once."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


def call(function, /, *args, **kwargs):
    """Calls a function by way of `yield from`: it is left where it waits, if it
    can be."""
    kind = type(function)
    if kind is types.MethodType:
        plain, owner = function.__func__, function.__self__
        known = KNOWN.get(plain)
        if known is not None:
            return known(owner, *args, **kwargs)
        if type(plain) is types.FunctionType:
            made = generator_of(plain)
            if made is not None:
                return made(owner, *args, **kwargs)
    elif kind is types.FunctionType:
        known = KNOWN.get(function)
        if known is not None:
            return known(*args, **kwargs)
        made = generator_of(function)
        if made is not None:
            return made(*args, **kwargs)
    elif kind is types.BuiltinMethodType:
        if type(function.__self__) is _LOCK and function.__name__ == "acquire":
            return acquire(function.__self__, *args, **kwargs)
        if type(function.__self__) is contextvars.Context and function.__name__ == "run":
            return _in_context(function.__self__, *args, **kwargs)
    elif kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    elif not isinstance(function, type):
        inner = getattr(kind, "__call__", None)
        if type(inner) is types.FunctionType:
            made = generator_of(inner)
            if made is not None:
                return made(function, *args, **kwargs)
    return _Returned(function(*args, **kwargs))


def enter(manager):
    """The manager of a `with` whose lock, if it is one, was waited for."""
    if isinstance(manager, threading.Condition):
        return _entered(manager, manager._lock)
    if isinstance(manager, (_LOCK, threading._PyRLock)):
        return _entered(manager, manager)
    if isinstance(manager, threading.Semaphore):
        return _entered(manager, manager)
    return _Returned(manager)


class _Held:
    """A lock that is held already."""

    def __init__(self, manager):
        self.manager = manager

    def __enter__(self):
        return True

    def __exit__(self, *failure):
        return self.manager.__exit__(*failure)


def _entered(manager, lock):
    if type(lock) in (_LOCK, threading._PyRLock):
        yield from acquire(lock)
    else:
        yield from acquire_semaphore(lock)
    return _Held(manager)


def _in_context(context, function, /, *args, **kwargs):
    """Context.run()"""
    steps = context.run(call, function, *args, **kwargs)
    while True:
        try:
            wait = context.run(next, steps)
        except StopIteration as end:
            return end.value
        yield wait


def block_of(lock):
    """The lock itself."""
    return lock._block if isinstance(lock, threading._PyRLock) else lock


def acquire(lock, blocking=True, timeout=-1):
    """lock.acquire()"""
    if not blocking or timeout is not None and timeout < 0 and timeout != -1:
        return lock.acquire(blocking, timeout)
    until = None if timeout == -1 else monotonic() + timeout
    inner = block_of(lock)
    while not lock.acquire(False):
        if until is not None and monotonic() >= until:
            return False
        yield Wait(lambda: not inner.locked(), until, "a lock")
    return True


def acquire_semaphore(semaphore, blocking=True, timeout=None):
    """threading.Semaphore.acquire()"""
    if not blocking:
        return semaphore.acquire(blocking, timeout)
    until = until_after(timeout)
    while not semaphore.acquire(False):
        if until is not None and monotonic() >= until:
            return False
        yield Wait(lambda: semaphore._value > 0, until, "a semaphore")
    return True


def until_after(timeout):
    """When a wait that begins now is over."""
    return None if timeout is None else monotonic() + timeout


def generator_of(function):
    """The function as a generator function; None when it never waits, or its
    source is not known."""
    made = rewrite.generator_code(function)
    if made is None:
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    helpers = {"_belljar_call": call, "_belljar_enter": enter, "_belljar_tick": threads.tick}
    try:
        closure = tuple(cells[name] if name in cells else types.CellType(helpers[name])
                        for name in made.co_freevars)
    except KeyError:
        return None
    result = types.FunctionType(made, function.__globals__, function.__name__,
                                function.__defaults__, closure)
    result.__kwdefaults__ = function.__kwdefaults__
    return result
