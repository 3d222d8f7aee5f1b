"""The clocks of a program, by the numbers and names that they have on Linux.

The C library takes the monotonic clock for the processor's, and any number for
a clock. What is slept is not worked, and before this instance ran nothing was.
"""
import errno
import os
import posix
import time

_process_ns = time.process_time_ns
_sleep = time.sleep
_times = os.times
_library_info = time.get_clock_info
_get_ns, _resolution = time.clock_gettime_ns, time.clock_getres
_realtime, _monotonic = time.CLOCK_REALTIME, time.CLOCK_MONOTONIC

NUMBERS = dict(CLOCK_REALTIME=0, CLOCK_MONOTONIC=1, CLOCK_PROCESS_CPUTIME_ID=2, CLOCK_THREAD_CPUTIME_ID=3,
               CLOCK_MONOTONIC_RAW=4, CLOCK_BOOTTIME=7)
# A program is one thread.
OF_THE_PROCESSOR = (2, 3)

_start_ns = _slept_ns = 0


def begin():
    """Called when this instance has not run before."""
    global _start_ns, _slept_ns
    _start_ns, _slept_ns = _process_ns(), 0


def process_time_ns():
    """Process time for profiling as nanoseconds: sum of the kernel and user-space CPU time."""
    return _process_ns() - _start_ns - _slept_ns


def process_time():
    """Process time for profiling: sum of the kernel and user-space CPU time."""
    return process_time_ns() / 10**9


def thread_time_ns():
    """Thread time for profiling as nanoseconds: sum of the kernel and user-space CPU time."""
    return process_time_ns()


def thread_time():
    """Thread time for profiling: sum of the kernel and user-space CPU time."""
    return process_time()


def sleep(seconds, /):
    """Delay execution for a given number of seconds."""
    global _slept_ns
    before = _process_ns()
    try:
        _sleep(seconds)
    finally:
        _slept_ns += _process_ns() - before


def _library_clock(number):
    """What the C library has for a number of Linux."""
    if number not in NUMBERS.values():
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return _realtime if number == 0 else _monotonic


def clock_gettime_ns(clk_id, /):
    """Return the time of the specified clock clk_id as nanoseconds."""
    clock = _library_clock(clk_id)
    return process_time_ns() if clk_id in OF_THE_PROCESSOR else _get_ns(clock)


def clock_gettime(clk_id, /):
    """Return the time of the specified clock clk_id as a float."""
    return clock_gettime_ns(clk_id) / 10**9


def clock_getres(clk_id, /):
    """Return the resolution (precision) of the specified clock clk_id."""
    return _resolution(_library_clock(clk_id))


def get_clock_info(name, /):
    """Get information of the specified clock."""
    if name != "thread_time":
        return _library_info(name)
    answer = _library_info("process_time")
    answer.implementation = "clock_gettime(CLOCK_THREAD_CPUTIME_ID)"
    return answer


def clock_settime(clk_id, time, /):
    """Set the time of the specified clock: refused."""
    _library_clock(clk_id)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def times():
    """Return a collection containing process timing information."""
    answer = _times()
    return type(answer)((process_time(), *answer[1:]))


def install():
    """Puts them in the place of the C library's."""
    for function in (process_time, process_time_ns, thread_time, thread_time_ns, sleep, clock_gettime,
                     clock_gettime_ns, clock_getres, clock_settime, get_clock_info):
        function.__module__ = "time"
        setattr(time, function.__name__, function)
    for name, number in NUMBERS.items():
        setattr(time, name, number)
    times.__module__ = "posix"
    os.times = posix.times = times
