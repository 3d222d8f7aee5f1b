"""The one group of a sandbox, which is that of its user."""
from collections import namedtuple

from _belljar.console import account
from pwd import NUMBER


class struct_group(namedtuple("struct_group", "gr_name gr_passwd gr_gid gr_mem")):
    """grp.struct_group: Results from getgr*() routines."""

    __slots__ = ()

    def __repr__(self):
        return f"grp.{super().__repr__()}"


def _group():
    return struct_group(account()[0], "x", NUMBER, [])


def getgrgid(id):
    """Return the group database entry for the given numeric group ID."""
    if not hasattr(id, "__index__"):
        raise TypeError(f"gid should be integer, not {type(id).__name__}")
    if id.__index__() != NUMBER:
        raise KeyError(f"getgrgid(): gid not found: {id}")
    return _group()


def getgrnam(name):
    """Return the group database entry for the given group name."""
    if not isinstance(name, str):
        raise TypeError(f"getgrnam() argument must be str, not {type(name).__name__}")
    if name != account()[0]:
        raise KeyError(f"getgrnam(): name not found: {name!r}")
    return _group()


def getgrall():
    """Return a list of all available group entries, in arbitrary order."""
    return [_group()]
