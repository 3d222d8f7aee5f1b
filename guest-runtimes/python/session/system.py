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
import sys
import threading
from collections import namedtuple

from _belljar_native import memory_bytes

from . import console, missing

USER = 1000
GROUP = 1000
# The permissions that new files do not get; kept, and without effect.
_umask = 0o022
# What a pointer of 32 bits reaches.
ADDRESSES = 1 << 32
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
    return console.account()[0]


def getppid():
    """Return the parent's process id."""
    return 1


def getpgrp():
    """Return the current process group id."""
    return os.getpid()


def getpgid(pid):
    """Call the system call getpgid(), and return the result."""
    own_process(pid)
    return os.getpid()


def own_process(pid):
    """Refuses what is not this program, the only one there is."""
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
    """Return average recent system load information: that of one program on one processor."""
    return 1.0, 1.0, 1.0


def getrandom(size, flags=0):
    """Obtain a series of random bytes."""
    return os.urandom(size)


def register_at_fork(*, before=None, after_in_child=None, after_in_parent=None):
    """Register callables to be called when forking a new process: there is never one."""


def sched_getaffinity(pid, /):
    """Return the affinity of the process identified by pid."""
    return {0}


sched_param = namedtuple("sched_param", "sched_priority")


def sched_getscheduler(pid, /):
    """Get the scheduling policy for the process identified by pid."""
    own_process(pid)
    return os.SCHED_OTHER


def sched_getparam(pid, /):
    """Returns scheduling parameters for the process identified by pid."""
    own_process(pid)
    return sched_param(0)


def sched_get_priority_max(policy):
    """Get the maximum scheduling priority for policy."""
    if policy not in (os.SCHED_OTHER, os.SCHED_FIFO, os.SCHED_RR):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return 0 if policy == os.SCHED_OTHER else 99


def sched_get_priority_min(policy):
    """Get the minimum scheduling priority for policy."""
    return min(1, sched_get_priority_max(policy))


def sched_rr_get_interval(pid, /):
    """Return the round-robin quantum for the process identified by pid, in seconds."""
    own_process(pid)
    return 0.0


_library_sysconf = os.sysconf


def sysconf(name, /):
    """Return an integer-valued system configuration variable."""
    answer = _library_sysconf(name)
    number = os.sysconf_names.get(name, name)
    # The C library does not know how much memory there is: at most all that has an address.
    if number == os.sysconf_names["SC_PHYS_PAGES"]:
        return ADDRESSES // _library_sysconf("SC_PAGE_SIZE")
    if number == os.sysconf_names["SC_AVPHYS_PAGES"]:
        return (ADDRESSES - memory_bytes()) // _library_sysconf("SC_PAGE_SIZE")
    return answer


def copy_file_range(src, dst, count, offset_src=None, offset_dst=None):
    """Copy count bytes from one file descriptor to another."""
    data = os.read(src, count) if offset_src is None else os.pread(src, count, offset_src)
    return os.write(dst, data) if offset_dst is None else os.pwrite(dst, data, offset_dst)


def sendfile(out_fd, in_fd, offset, count):
    """Copy count bytes from file descriptor in_fd to file descriptor out_fd."""
    return copy_file_range(in_fd, out_fd, count, offset)


def listxattr(path=None, *, follow_symlinks=True):
    """Return a list of extended attributes on path: there are none."""
    os.stat("." if path is None else path)
    return []


def getxattr(path, attribute, *, follow_symlinks=True):
    """Return the value of extended attribute attribute on path: there is none."""
    os.stat(path)
    raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), path)


def setxattr(path, attribute, value, flags=0, *, follow_symlinks=True):
    """Set extended attribute attribute on path to value: refused."""
    os.stat(path)
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), path)


def removexattr(path, attribute, *, follow_symlinks=True):
    """Remove extended attribute attribute on path: there is none."""
    getxattr(path, attribute)


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


def add(module, name, value):
    """Puts a name where it is missing; what somebody else has put there stays."""
    for place in (module, posix) if module is os else (module,):
        if not hasattr(place, name):
            setattr(place, name, value)
    if callable(value) and str(getattr(value, "__module__", None)).startswith("_belljar."):
        value.__module__ = module.__name__


def _refusing(name, advice, number):
    def refused(*args, **kwargs):
        raise OSError(number, advice)
    refused.__name__ = refused.__qualname__ = name
    refused.__module__ = __name__
    return refused


def install():
    """Adds all of it."""
    for function in (
            getuid, getgid, getgroups, getgrouplist, getresuid, getresgid, getlogin, getppid, getpgrp, getpgid,
            getpriority, nice, umask, sync, getloadavg, getrandom, register_at_fork, sched_getaffinity,
            sched_setaffinity, sched_getscheduler, sched_getparam, sched_get_priority_max, sched_get_priority_min,
            sched_rr_get_interval, copy_file_range, sendfile, listxattr, getxattr, setxattr, removexattr, waitstatus_to_exitcode, WIFEXITED, WEXITSTATUS, WIFSIGNALED, WTERMSIG, WIFSTOPPED,
            WSTOPSIG, WCOREDUMP, WIFCONTINUED, major, minor, makedev, get_terminal_size, ttyname,
            ctermid, statvfs, chown, lchown, fchown):
        add(os, function.__name__, function)
    for name, function in dict(geteuid=getuid, getegid=getgid, getsid=getpgid, fstatvfs=statvfs,
                               statvfs_result=statvfs_result, sched_param=sched_param).items():
        add(os, name, function)
    for name in ("wait", "wait3", "wait4", "waitid", "waitpid"):
        add(os, name, _wait)
    for names, advice, number in ((PROCESSES, missing.NO_PROCESSES, errno.ENOTSUP),
                                  (PIPES, NO_PIPES, errno.ENOTSUP), (PRIVILEGES, NO_PRIVILEGES, errno.EPERM)):
        for name in names:
            add(os, name, _refusing(name, advice, number))
    _constants()
    uname.__module__ = "posix"
    os.uname = posix.uname = uname
    sysconf.__module__ = "posix"
    os.sysconf = posix.sysconf = sysconf

    add(threading, "get_native_id", os.getpid)
    add(os, "dup2", _refusing("dup2", NO_DUPLICATES, errno.ENOTSUP))
    add(shutil, "disk_usage", disk_usage)
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
