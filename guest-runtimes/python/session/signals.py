"""Signals where none arrives by itself: a program can send them to itself, and
hears what to use instead of those that time would send.
"""
import errno
import os
import signal

from .system import add, own_process


def kill(pid, signal, /):
    """Send a signal to this program, the only one there is."""
    own_process(pid)
    _raise_own(signal)


def killpg(pgid, signal, /):
    """Send a signal to this program, the only one there is."""
    kill(pgid, signal)


def _raise_own(number):
    if number == 0:
        return
    handler = signal.getsignal(number)
    if handler == signal.SIG_IGN:
        return
    if not callable(handler) or handler == signal.SIG_DFL:
        raise OSError(errno.ENOTSUP, "a signal cannot end this program: use sys.exit(), or set a handler "
                                     "for it with signal.signal() first")
    _raise_signal(number)


def alarm(seconds, /):
    """Arrange for SIGALRM to arrive after the given number of seconds: refused, but for 0."""
    if seconds:
        raise OSError(errno.ENOTSUP, NO_TIMERS)
    return 0


def setitimer(which, seconds, interval=0.0, /):
    """Sets given itimer: refused, but for 0."""
    if seconds:
        raise signal.ItimerError(errno.ENOTSUP, NO_TIMERS)
    return 0.0, 0.0


def getitimer(which, /):
    """Returns current value of given itimer."""
    return 0.0, 0.0


NO_TIMERS = (
    "no signal arrives by itself in this sandbox; to bound a computation look at time.monotonic() in its loop, "
    "use asyncio.timeout() around what awaits, or pass limits (wall_time_ms, cpu_time_ms) with the call")
NO_SIGNALS = (
    "no signal arrives by itself in this sandbox, so nothing would end this wait; "
    "signal.raise_signal() calls a handler at once")


def _no_signals(*args, **kwargs):
    raise OSError(errno.ENOTSUP, NO_SIGNALS)


def pthread_kill(thread_id, signalnum, /):
    """Send a signal to a thread, of which there is one."""
    _raise_own(signalnum)


def pthread_sigmask(how, mask, /):
    """Fetch and/or change the signal mask: nothing arrives that could be blocked."""
    before = set(_blocked)
    change = {signal.Signals(number) for number in mask}
    if how == SIG_SETMASK:
        _blocked.clear()
    if how == SIG_UNBLOCK:
        _blocked.difference_update(change)
    else:
        _blocked.update(change)
    return before


_blocked = set()
SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2


def valid_signals():
    """Return a set of valid signal numbers on this platform."""
    return set(signal.Signals)


def siginterrupt(signalnum, flag, /):
    """Change system call restart behaviour: no call is interrupted."""


def sigpending():
    """Examine pending signals."""
    return set()


def install():
    """Adds all of it."""
    global _raise_signal
    for function in (kill, killpg):
        add(os, function.__name__, function)
    signal.ItimerError = type("itimer_error", (OSError,), {"__module__": "signal"})
    for name, value in dict(ITIMER_REAL=0, ITIMER_VIRTUAL=1, ITIMER_PROF=2, SIG_BLOCK=0, SIG_UNBLOCK=1,
                            SIG_SETMASK=2, SIGCLD=getattr(signal, "SIGCHLD", 17)).items():
        add(signal, name, value)
    for function in (alarm, setitimer, getitimer, pthread_kill, pthread_sigmask, valid_signals, siginterrupt,
                     sigpending):
        add(signal, function.__name__, function)
    for name in ("pause", "sigwait", "sigwaitinfo", "sigtimedwait"):
        add(signal, name, _no_signals)
    _raise_signal = signal.raise_signal
