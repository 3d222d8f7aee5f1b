"""What a run has used. Its limits belong to the call that started it."""
import errno
import time
from collections import namedtuple

from _belljar_native import memory_bytes

error = OSError

RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD = 0, -1, 1
RLIM_INFINITY = -1
(RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC,
 RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS) = range(10)
RLIMIT_OFILE = RLIMIT_NOFILE
_HIGHEST = 15

_FIELDS = ("ru_utime", "ru_stime", "ru_maxrss", "ru_ixrss", "ru_idrss", "ru_isrss", "ru_minflt", "ru_majflt",
           "ru_nswap", "ru_inblock", "ru_oublock", "ru_msgsnd", "ru_msgrcv", "ru_nsignals", "ru_nvcsw", "ru_nivcsw")


class struct_rusage(namedtuple("struct_rusage", _FIELDS)):
    """struct_rusage: Result from getrusage."""

    __slots__ = ()

    def __repr__(self):
        return f"resource.{super().__repr__()}"


def getrusage(who, /):
    """Processor time and memory; what is not measured is 0."""
    if who not in (RUSAGE_SELF, RUSAGE_CHILDREN, RUSAGE_THREAD):
        raise ValueError("invalid who parameter")
    if who == RUSAGE_CHILDREN:
        return struct_rusage(0.0, 0.0, *[0] * 14)
    # Linear memory never shrinks, so its size is the most there was.
    return struct_rusage(time.process_time(), 0.0, memory_bytes() // 1024, *[0] * 13)


def getpagesize():
    """The unit in which the memory of a guest grows."""
    return 65536


def _check(resource):
    if not 0 <= resource <= _HIGHEST:
        raise ValueError("invalid resource specified")


def getrlimit(resource, /):
    """No limit of this kind is set; see setrlimit()."""
    _check(resource)
    return RLIM_INFINITY, RLIM_INFINITY


def setrlimit(resource, limits, /):
    """Refused: the host decides."""
    _check(resource)
    raise OSError(errno.EPERM, "the limits of a run are set by its host; pass `limits` with the call "
                               "(memory_bytes, cpu_time_ms, wall_time_ms, open_files, ...)")


def prlimit(pid, resource, limits=None, /):
    """getrlimit() and setrlimit() in one."""
    return getrlimit(resource) if limits is None else setrlimit(resource, limits)
