"""File control as far as one program that is alone with its files needs it.

A lock is always free: nobody else could hold it while a program runs.
"""
import errno
import os

from _belljar_native import control_file

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL = 0, 1, 2, 3, 4
F_GETLK, F_SETLK, F_SETLKW = 5, 6, 7
F_RDLCK, F_WRLCK, F_UNLCK = 0, 1, 2
F_DUPFD_CLOEXEC = 1030
FD_CLOEXEC = 1
LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN = 1, 2, 4, 8


def _descriptor(file):
    number = file if isinstance(file, int) else file.fileno()
    os.fstat(number)
    return number


def flock(fd, operation, /):
    """Perform the lock operation on file descriptor fd."""
    _descriptor(fd)
    if operation & ~(LOCK_SH | LOCK_EX | LOCK_NB | LOCK_UN):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def lockf(fd, cmd, len=0, start=0, whence=0, /):
    """A wrapper around the fcntl() locking calls."""
    _descriptor(fd)
    if not cmd & (LOCK_SH | LOCK_EX | LOCK_UN):
        raise ValueError("unrecognized lockf argument")


def fcntl(fd, cmd, arg=0, /):
    """Perform the operation cmd on file descriptor fd."""
    number = _descriptor(fd)
    if cmd in (F_GETFD, F_SETFD, F_GETFL, F_SETFL):
        return control_file(number, cmd, arg)
    if cmd in (F_SETLK, F_SETLKW):
        return arg if isinstance(arg, bytes) else 0
    raise OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: fcntl command {cmd} is not in this sandbox")


def ioctl(fd, request, arg=0, mutate_flag=True, /):
    """Perform the operation request on file descriptor fd: no file here is a device."""
    _descriptor(fd)
    raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
