"""Changes to modules that fit them to the sandbox, made when a program imports
them, so that they cost nothing where it does not.
"""
import os
import sys

# By module, which of our own changes it and by which function.
CHANGES = {
    "_multiprocessing": ("shared", "change_semaphores"),
    "_posixshmem": ("shared", "change_memory"),
    "grp": ("accounts", "change_groups"),
    "mmap": ("shared", "change_maps"),
    "multiprocessing.connection": ("listeners", "change"),
    "multiprocessing.heap": ("shared", "change_heap"),
    "multiprocessing.popen_forkserver": ("children", "change_forkserver"),
    "multiprocessing.popen_spawn_posix": ("children", "change_popen"),
    "multiprocessing.spawn": ("children", "change_spawn"),
    "multiprocessing.util": ("children", "change_util"),
    "pathlib": ("files", "change_paths"),
    "pathlib._os": ("files", "change_copies"),
    "pwd": ("accounts", "change_users"),
}

# The same, in the process whose outputs are in the reply alone. Up to version 7.22
# of IPython it is the second that has what shows.
OF_THE_PROGRAM = {
    "IPython.core.display_functions": ("notebooks", "change"),
    "IPython.core.display": ("notebooks", "change"),
}

# The file with the code of a program that has no file of its own, and what that
# is called.
program = None
# Whether the program came to its end, so that nothing may be raised in it.
is_over = False


class Loader:
    """Loads a module as ever, and then has it changed."""

    def __init__(self, loader, change):
        self.loader, self.change = loader, change

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        module.__spec__.loader = module.__loader__ = self.loader
        _apply(self.change, module)


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        change = CHANGES.get(name)
        if change is None:
            return None
        for finder in sys.meta_path:
            if finder is not Finder and (spec := finder.find_spec(name, path, target)) is not None:
                if spec.loader is not None:
                    spec.loader = Loader(spec.loader, change)
                return spec
        return None


def begin(*code):
    """`code` is for whoever has to run the program once more: see `program`."""
    global program
    program = code or None
    os.getlogin = getlogin
    sys.meta_path.insert(0, Finder)
    for name, change in CHANGES.items():
        # The interpreter's own start may have needed it.
        if name in sys.modules:
            _apply(change, sys.modules[name])


def getlogin():
    """Return the actual login name."""
    from . import accounts
    return accounts.user()


def _apply(change, module):
    own, function = change
    package = __import__(f"{__package__}.{own}")
    getattr(getattr(package, own), function)(module)
