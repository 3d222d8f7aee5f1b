"""Calls that are refused or succeed without effect, and what is built on them."""
import errno
import os


def change_paths(pathlib):
    touch = pathlib.Path.touch

    def touch_or_make(self, mode=0o666, exist_ok=True):
        # It takes a time that can be set for a file that is there.
        if exist_ok and not os.path.exists(self):
            try:
                return touch(self, mode, exist_ok=False)
            except FileExistsError:
                pass
        return touch(self, mode, exist_ok)

    touch_or_make.__name__, touch_or_make.__qualname__ = "touch", "Path.touch"
    touch_or_make.__doc__ = touch.__doc__
    pathlib.Path.touch = touch_or_make


def change_copies(module):
    clone = getattr(module, "_ficlone", None)
    if clone is None:
        return

    def clone_or_copy(source, target):
        try:
            return clone(source, target)
        except PermissionError:
            # Where it does not know this error, it copies no other way.
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP)) from None

    module._ficlone = clone_or_copy
