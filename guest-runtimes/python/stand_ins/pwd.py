"""The one user of a sandbox, as `bash` of the same session shows it."""
from collections import namedtuple

from _belljar.console import account

NUMBER = 1000


class struct_passwd(namedtuple("struct_passwd", "pw_name pw_passwd pw_uid pw_gid pw_gecos pw_dir pw_shell")):
    """pwd.struct_passwd: Results from getpw*() routines."""

    __slots__ = ()

    def __repr__(self):
        return f"pwd.{super().__repr__()}"


def _user():
    name, home = account()
    return struct_passwd(name, "x", NUMBER, NUMBER, "", home, "/bin/bash")


def getpwuid(uid, /):
    """Return the password database entry for the given numeric user ID."""
    if not hasattr(uid, "__index__"):
        raise TypeError(f"uid should be integer, not {type(uid).__name__}")
    if uid.__index__() != NUMBER:
        raise KeyError(f"getpwuid(): uid not found: {uid}")
    return _user()


def getpwnam(name, /):
    """Return the password database entry for the given user name."""
    if not isinstance(name, str):
        raise TypeError(f"getpwnam() argument must be str, not {type(name).__name__}")
    if name != account()[0]:
        raise KeyError(f"getpwnam(): name not found: {name!r}")
    return _user()


def getpwall():
    """Return a list of all available password database entries, in arbitrary order."""
    return [_user()]
