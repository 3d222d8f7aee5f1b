"""Names of the operating system that WASI has not.

Packages import them to find their bearings, so they answer as `bash` of the same
session does where there is an answer, and say what to use where there is none.
`os` of a machine has them all: what looks for them with hasattr() goes the way
that it goes there.
"""
import errno
import os
import posix
import shutil
import signal
import sys
import threading
from collections import namedtuple

from . import missing

USER = 1000
GROUP = 1000
# The permissions that new files do not get; kept, and without effect.
_umask = 0o022
# Counted when nothing says how much a workspace may hold.
BLOCK = 4096


def getuid():
    """Return the current process's user id."""
    return USER


def getgid():
    """Return the current process's group id."""
    return GROUP


def getgroups():
    """Return list of supplemental group IDs for the process."""
    return [GROUP]


def getgrouplist(user, group, /):
    """Returns a list of groups to which a user belongs."""
    return [group]


def getresuid():
    """Return a tuple of the current process's real, effective, and saved user ids."""
    return USER, USER, USER


def getresgid():
    """Return a tuple of the current process's real, effective, and saved group ids."""
    return GROUP, GROUP, GROUP


_library_uname = os.uname


def uname():
    """Return an object identifying the current operating system."""
    answer = _library_uname()
    return type(answer)((answer.sysname, missing.HOST_NAME, *answer[2:]))


def getlogin():
    """Return the actual login name."""
    import pwd
    return pwd.NAME


def getppid():
    """Return the parent's process id."""
    return 1


def getpgrp():
    """Return the current process group id."""
    return os.getpid()


def getpgid(pid):
    """Call the system call getpgid(), and return the result."""
    _own_process(pid)
    return os.getpid()


def _own_process(pid):
    if pid not in (0, os.getpid()):
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))


def getpriority(which, who):
    """Return program scheduling priority."""
    return 0


def nice(increment, /):
    """Add increment to the priority of process and return the new priority."""
    return 0


def umask(mask, /):
    """Set the current numeric umask and return the previous umask."""
    global _umask
    before, _umask = _umask, int(mask) & 0o777
    return before


def sync():
    """Force write of everything to disk: it is with the host already."""


def getloadavg():
    """Return average recent system load information: what a machine says that cannot tell."""
    raise OSError("Load averages are unobtainable")


def getrandom(size, flags=0):
    """Obtain a series of random bytes."""
    return os.urandom(size)


def register_at_fork(*, before=None, after_in_child=None, after_in_parent=None):
    """Register callables to be called when forking a new process: there is never one."""


def sched_getaffinity(pid, /):
    """Return the affinity of the process identified by pid."""
    return {0}


def sched_setaffinity(pid, mask, /):
    """Set the CPU affinity of the process identified by pid to mask: there is one processor."""
    if 0 not in set(mask):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def waitstatus_to_exitcode(status):
    """Convert a wait status to an exit code."""
    return -(status & 0x7F) if status & 0x7F else status >> 8 & 0xFF


def _wait(*args, **kwargs):
    raise ChildProcessError(errno.ECHILD, os.strerror(errno.ECHILD))


def WIFEXITED(status):
    """Return True if the process returning status exited via the exit() system call."""
    return not status & 0x7F


def WEXITSTATUS(status):
    """Return the process return code from status."""
    return status >> 8 & 0xFF


def WIFSIGNALED(status):
    """Return True if the process returning status was terminated by a signal."""
    return 0 < status & 0x7F < 0x7F


def WTERMSIG(status):
    """Return the signal that terminated the process that provided the status value."""
    return status & 0x7F


def WIFSTOPPED(status):
    """Return True if the process returning status was stopped."""
    return status & 0xFF == 0x7F


def WSTOPSIG(status):
    """Return the signal that stopped the process that provided the status value."""
    return status >> 8 & 0xFF


def WCOREDUMP(status, /):
    """Return True if the process returning status was dumped to a core file."""
    return bool(status & 0x80)


def WIFCONTINUED(status):
    """Return True if a particular process was continued from a job control stop."""
    return status == 0xFFFF


def major(device, /):
    """Extracts a device major number from a raw device number."""
    return device >> 8 & 0xFFF


def minor(device, /):
    """Extracts a device minor number from a raw device number."""
    return device & 0xFF | device >> 12 & 0xFFF00


def makedev(major, minor, /):
    """Composes a raw device number from the major and minor device numbers."""
    return minor & 0xFF | (major & 0xFFF) << 8 | (minor & 0xFFF00) << 12


def kill(pid, signal, /):
    """Send a signal to this program, the only one there is."""
    _own_process(pid)
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


def get_terminal_size(fd=1, /):
    """Return the size of the terminal window: there is no terminal."""
    os.fstat(fd)
    raise OSError(errno.ENOTTY, "Inappropriate ioctl for device: there is no terminal here; "
                                "shutil.get_terminal_size() gives a size without one")


def ttyname(fd, /):
    """Return the name of the terminal device connected to 'fd': there is none."""
    os.fstat(fd)
    raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")


def ctermid():
    """Return the name of the controlling terminal for this process."""
    return "/dev/tty"


def chown(path, uid, gid, *, dir_fd=None, follow_symlinks=True):
    """Change the owner and group id of path: they are the user's and stay so."""
    os.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks) if not isinstance(path, int) else os.fstat(path)
    if uid not in (-1, USER) or gid not in (-1, GROUP):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path if not isinstance(path, int) else None)


def lchown(path, uid, gid):
    """Change the owner and group id of path, which may be a link."""
    chown(path, uid, gid, follow_symlinks=False)


def fchown(fd, uid, gid):
    """Change the owner and group id of the file specified by file descriptor."""
    chown(fd, uid, gid)


statvfs_result = namedtuple(
    "statvfs_result", "f_bsize f_frsize f_blocks f_bfree f_bavail f_files f_ffree f_favail f_flag f_namemax")


def _used():
    """(bytes, files) of the workspace."""
    size = files = 0
    for folder, folders, names in os.walk("/workspace"):
        files += len(folders) + len(names)
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                # Gone in between.
                pass
    return size, files


def statvfs(path):
    """Perform a statvfs system call on the given path: how full the workspace is."""
    # The root holds the workspace and nothing else, and cannot be looked at.
    if isinstance(path, int):
        os.fstat(path)
    elif os.fspath(path) not in ("/", b"/"):
        os.stat(path)
    size, files = _used()
    blocks = max(missing.disk_bytes // BLOCK, -(-size // BLOCK))
    free = blocks - -(-size // BLOCK)
    most = max(missing.disk_files, files)
    return statvfs_result(BLOCK, BLOCK, blocks, free, free, most, most - files, most - files, 0, 255)


_DiskUsage = namedtuple("usage", "total used free")


def disk_usage(path):
    """Return disk usage statistics about the given path."""
    status = statvfs(path)
    total, free = status.f_blocks * BLOCK, status.f_bavail * BLOCK
    return _DiskUsage(total, total - free, free)


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


# Of what cannot work: the names, and the error that says what to use.
PROCESSES = (
    "fork", "forkpty", "execv", "execve", "execl", "execle", "execlp", "execlpe", "execvp", "execvpe",
    "posix_spawn", "posix_spawnp", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp",
    "spawnvpe", "pidfd_open", "setsid", "setpgid", "setpgrp", "unshare", "setns")
PIPES = (
    "pipe", "pipe2", "mkfifo", "mknod", "memfd_create", "eventfd", "eventfd_read", "eventfd_write", "openpty",
    "login_tty", "posix_openpt", "grantpt", "unlockpt", "ptsname", "tcgetpgrp", "tcsetpgrp", "splice",
    "timerfd_create", "timerfd_settime", "timerfd_gettime")
PRIVILEGES = (
    "chroot", "initgroups", "setegid", "seteuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid",
    "setreuid", "setuid", "setpriority")
NO_PIPES = (
    "this sandbox has no other process to talk to; pass data through variables, queue.Queue, "
    "io.BytesIO or a file in /tmp")
NO_DUPLICATES = "descriptors cannot be replaced in this sandbox; use contextlib.redirect_stdout() or assign sys.stdout"
NO_PRIVILEGES = "the user and the rights of a run are set by its host"


def _constants():
    names = dict(
        P_WAIT=0, P_NOWAIT=1, P_NOWAITO=1, P_ALL=0, P_PID=1, P_PGID=2, WNOHANG=1, WUNTRACED=2, WCONTINUED=8,
        WEXITED=4, WSTOPPED=2, WNOWAIT=0x1000000, PRIO_PROCESS=0, PRIO_PGRP=1, PRIO_USER=2, ST_RDONLY=1,
        ST_NOSUID=2, SCHED_OTHER=0, SCHED_FIFO=1, SCHED_RR=2, GRND_NONBLOCK=1, GRND_RANDOM=2)
    for name, value in names.items():
        if not hasattr(os, name):
            setattr(os, name, value)


def _add(module, name, value):
    """Puts a name where it is missing; what somebody else has put there stays."""
    for place in (module, posix) if module is os else (module,):
        if not hasattr(place, name):
            setattr(place, name, value)
    if callable(value) and getattr(value, "__module__", None) == __name__:
        value.__module__ = module.__name__


def _refusing(name, advice, number):
    def refused(*args, **kwargs):
        raise OSError(number, advice)
    refused.__name__ = refused.__qualname__ = name
    refused.__module__ = __name__
    return refused


def install():
    """Adds all of it."""
    global _raise_signal
    for function in (
            getuid, getgid, getgroups, getgrouplist, getresuid, getresgid, getlogin, getppid, getpgrp, getpgid,
            getpriority, nice, umask, sync, getloadavg, getrandom, register_at_fork, sched_getaffinity,
            sched_setaffinity, waitstatus_to_exitcode, WIFEXITED, WEXITSTATUS, WIFSIGNALED, WTERMSIG, WIFSTOPPED,
            WSTOPSIG, WCOREDUMP, WIFCONTINUED, major, minor, makedev, kill, killpg, get_terminal_size, ttyname,
            ctermid, statvfs, chown, lchown, fchown):
        _add(os, function.__name__, function)
    for name, function in dict(geteuid=getuid, getegid=getgid, getsid=getpgid, fstatvfs=statvfs,
                               statvfs_result=statvfs_result).items():
        _add(os, name, function)
    for name in ("wait", "wait3", "wait4", "waitid", "waitpid"):
        _add(os, name, _wait)
    for names, advice, number in ((PROCESSES, missing.NO_PROCESSES, errno.ENOTSUP),
                                  (PIPES, NO_PIPES, errno.ENOTSUP), (PRIVILEGES, NO_PRIVILEGES, errno.EPERM)):
        for name in names:
            _add(os, name, _refusing(name, advice, number))
    _constants()
    uname.__module__ = "posix"
    os.uname = posix.uname = uname

    signal.ItimerError = type("itimer_error", (OSError,), {"__module__": "signal"})
    for name, value in dict(ITIMER_REAL=0, ITIMER_VIRTUAL=1, ITIMER_PROF=2, SIG_BLOCK=0, SIG_UNBLOCK=1,
                            SIG_SETMASK=2, SIGCLD=getattr(signal, "SIGCHLD", 17)).items():
        _add(signal, name, value)
    for function in (alarm, setitimer, getitimer, pthread_kill, pthread_sigmask, valid_signals, siginterrupt,
                     sigpending):
        _add(signal, function.__name__, function)
    for name in ("pause", "sigwait", "sigwaitinfo", "sigtimedwait"):
        _add(signal, name, _no_signals)
    _raise_signal = signal.raise_signal

    _add(threading, "get_native_id", os.getpid)
    _add(os, "dup2", _refusing("dup2", NO_DUPLICATES, errno.ENOTSUP))
    _add(shutil, "disk_usage", disk_usage)
    if "disk_usage" not in shutil.__all__:
        shutil.__all__.append("disk_usage")
    _all_names(os)
    # There is no program that could be started; packages that would start it
    # look at this first.
    sys.executable = ""


def _all_names(module):
    """`from os import *` gives what is there."""
    known = set(module.__all__)
    module.__all__.extend(name for name in dir(posix) if not name.startswith("_") and name not in known)
