"""What a run sees of the world around it: arguments, environment, standard
streams, working directory and time zone. Each is rebuilt only when it differs
from what is wanted, because most runs want the same."""
import io
import os
import sys
import tempfile

from _belljar_native import enter_workspace

from . import time_zone

PROGRAM = "main.py"
# See paths.c: a folder inside the workspace.
TEMPORARY = "/tmp"
USER = "belljar"
HOME = "/workspace"
# What a program finds as in `bash`, unless the request says otherwise.
ENVIRONMENT = dict(
    PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME=HOME, TMPDIR=TEMPORARY,
    LANG="C.UTF-8", USER=USER, LOGNAME=USER)
# As of Linux, which a list of users can hold.
MAX_NAME_BYTES = 32


class _Input(io.FileIO):
    """Descriptor 0, which notices that it was read from."""

    used = False

    def readinto(self, buffer):
        _Input.used = True
        return super().readinto(buffer)

    def readall(self):
        _Input.used = True
        return super().readall()


def _open_input():
    _Input.used = False
    raw = _Input(0, "r", closefd=False)
    stream = io.TextIOWrapper(io.BufferedReader(raw), "utf-8", "replace")
    stream.mode = "r"
    return stream


def _open_output(descriptor, name):
    raw = io.FileIO(descriptor, "w", closefd=False)
    # Lines leave at once: what a program printed before it was stopped from
    # outside is worth more than the calls saved. Lone surrogates are escaped
    # rather than an error, because a file name can contain them.
    stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace",
                              line_buffering=True)
    stream.mode = "w"
    raw.name = name
    return stream


_stdin = _open_input()
_stdout = _open_output(1, "<stdout>")
_stderr = _open_output(2, "<stderr>")
sys.stdin = sys.__stdin__ = _stdin
sys.stdout = sys.__stdout__ = _stdout
sys.stderr = sys.__stderr__ = _stderr

_argv = [PROGRAM]
_environment = os.environ
_environment.update(ENVIRONMENT)
_usual = dict(_environment._data)
_requested = {}
tempfile.tempdir = TEMPORARY


def begin(request):
    """Sets up everything that the request decides."""
    global _requested
    enter_workspace()
    _restore_streams()
    args = request.get("args") or []
    if len(args) != len(_argv) - 1 or args != _argv[1:]:
        _argv[1:] = args
    if getattr(sys, "argv", None) != _argv:
        sys.argv = _argv.copy()
    # A program may have put a plain dictionary there, mock.patch among others.
    os.environ = _environment
    environment = _requested = request.get("env") or {}
    if environment or _environment._data != _usual:
        _replace_environment({**ENVIRONMENT, **dict.fromkeys(("USER", "LOGNAME"), account()[0]), **environment})
        tempfile.tempdir = environment.get("TMPDIR", TEMPORARY)
    zone = environment.get("TZ")
    if zone != time_zone.current:
        time_zone.use(zone)


def _is_usable(stream):
    try:
        return not stream.closed
    except ValueError:
        # It, or its buffer, was detached.
        return False


def _restore_streams():
    global _stdin, _stdout, _stderr
    if _Input.used or getattr(sys, "stdin", None) is not _stdin or not _is_usable(_stdin):
        _stdin = sys.stdin = sys.__stdin__ = _open_input()
    if getattr(sys, "stdout", None) is not _stdout or not _is_usable(_stdout):
        if not _is_usable(_stdout):
            _stdout = _open_output(1, "<stdout>")
        sys.stdout = sys.__stdout__ = _stdout
    if getattr(sys, "stderr", None) is not _stderr or not _is_usable(_stderr):
        if not _is_usable(_stderr):
            _stderr = _open_output(2, "<stderr>")
        sys.stderr = sys.__stderr__ = _stderr


def repair():
    """Makes anew what a program may have broken."""
    global _stdin, _stdout, _stderr
    _stdin = sys.stdin = sys.__stdin__ = _open_input()
    _stdout = sys.stdout = sys.__stdout__ = _open_output(1, "<stdout>")
    _stderr = sys.stderr = sys.__stderr__ = _open_output(2, "<stderr>")
    # Not what any request asks for.
    time_zone.current = False


def _replace_environment(wanted):
    here = _environment
    for name in [name for name in here if name not in wanted]:
        del here[name]
    for name, value in wanted.items():
        if here.get(name) != value:
            try:
                here[name] = value
            except (ValueError, OSError):
                # Not a name that an environment can hold; leave it out.
                pass


def account():
    """Name and home of the user, which the environment of the request may choose."""
    name = _requested.get("LOGNAME", _requested.get("USER", ""))
    home = _requested.get("HOME", "")
    is_plain = name.isascii() and name.translate(_PUNCTUATION).isalnum() and name[0] != "-"
    if not is_plain or len(name) > MAX_NAME_BYTES or name in ("root", "nobody"):
        name = USER
    if home[:1] != "/" or ":" in home or "\n" in home:
        home = HOME
    return name, home


_PUNCTUATION = dict.fromkeys(map(ord, "._-"), "0")


def own_streams():
    """Those whose text the reply has."""
    return _stdout, _stderr


def flush():
    """Sends what the program wrote. Whether that is all there can be."""
    try:
        if sys.stdout is _stdout and sys.stderr is _stderr:
            _stdout.flush()
            _stderr.flush()
            return True
    except Exception:
        # The program took it away, or closed it.
        pass
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except Exception:
            # The program put something else in its place, or closed it.
            pass
    return False


def end():
    """Sends what is left after the program ended, whatever it did."""
    flush()
    for stream in (_stdout, _stderr):
        try:
            stream.flush()
        except BaseException:
            pass
