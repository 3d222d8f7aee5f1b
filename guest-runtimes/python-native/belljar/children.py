"""Processes that `multiprocessing` starts as a new interpreter. They get the
changes that this one has, and find the program's functions, although its code
is in no file of its workspace.
"""
import builtins
import os
import signal
import sys
import threading
import time
import types

from . import late

FOLDER = os.path.dirname(os.path.abspath(__file__))
NO_GUARD = (
    "processes are started with 'spawn' or 'forkserver', which run the program once more, and it starts them each time: "
    "put what starts them under `if __name__ == \"__main__\":`"
)
PROLOGUE = "import sys; sys.path.append({root!r}); from belljar import children; children.join({request!r}, {main!r}); "

def join(request, main):
    """The first that such a process does."""
    from . import display, errors
    late.begin(request, main)
    builtins.display = display.display
    builtins.ExecutionTimeout = errors.ExecutionTimeout
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")


def change_util(util):
    start = util.spawnv_passfds

    def spawnv_passfds(path, args, passfds):
        if os.path.exists(_mark(os.getpid())):
            _end_program()
        return start(path, _with_prologue(args), passfds)

    util.spawnv_passfds = spawnv_passfds


def _with_prologue(args):
    args = list(args)
    position = args.index("-c") + 1 if "-c" in args else len(args)
    if position < len(args):
        request, main = late.program
        prologue = PROLOGUE.format(root=os.path.dirname(FOLDER), request=request, main=main)
        args[position] = prologue + args[position]
    return args


def change_spawn(spawn):
    from_file = spawn._fixup_main_from_path

    def fixup_main_from_path(path):
        current = sys.modules["__main__"]
        if path != late.program[1] or getattr(current, "__file__", None) == path:
            return from_file(path)
        spawn.old_main_modules.append(current)
        module = types.ModuleType("__mp_main__")
        module.__file__ = path
        # By this name its functions are found while it still runs.
        sys.modules["__mp_main__"] = module
        try:
            _run(module)
        except RuntimeError as error:
            if "freeze_support" in str(error):
                open(_mark(os.getppid()), "w").close()
            raise
        sys.modules["__main__"] = module

    spawn._fixup_main_from_path = fixup_main_from_path


def _mark(parent):
    """What says to a process that no other which it starts will come to work."""
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", f".belljar-no-guard-{parent}")


def _end_program():
    """Has the program end, whose pool would start such processes for ever."""
    if threading.current_thread() is threading.main_thread():
        raise RuntimeError(NO_GUARD)
    if late.failure is None:
        late.failure = NO_GUARD
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    # The thread of a pool must go on until that is closed.
    time.sleep(0.1)


def _run(module):
    import json
    from . import runner
    with open(late.program[0], encoding="utf-8") as file:
        code = json.load(file)["code"]
    runner.execute(code, module)


def change_forkserver(forkserver):
    # Its server listens on a socket, and there are none here. A new interpreter
    # for each process is the same to a program, only slower.
    from multiprocessing import popen_spawn_posix
    forkserver.Popen = popen_spawn_posix.Popen
