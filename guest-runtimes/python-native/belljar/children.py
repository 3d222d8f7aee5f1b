"""Processes that `multiprocessing` starts as a new interpreter. They get the
changes that this one has, and find the program's functions, although its code
may be in no file of its workspace. What cannot run it once more says so to the
process that started it, which then ends with advice instead of starting others.
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
PROLOGUE = "import sys; sys.path.append({root!r}); from belljar import children; children.join({request!r}, {main!r}); "
GUARD = "put what is not a definition under `if __name__ == \"__main__\":`"
# By which signal a process ends that cannot run the program: no program uses
# these. And what the process that started it says then.
UNGUARDED, FAILED = signal.SIGRTMAX - 5, signal.SIGRTMAX - 6
ADVICE = {
    -UNGUARDED: "processes are started with 'spawn' or 'forkserver', which run the program once more, and it starts "
                f"them each time: {GUARD}",
    -FAILED: "processes are started with 'spawn' or 'forkserver', which run the program once more, and that failed: "
             f"{GUARD}",
}
# What Python says where a program without a guard is run once more.
COMPLAINTS = ("freeze_support", "context has already been set")
# Ignored where no handler is set, so that one which comes too late does no harm.
WAKE = signal.SIGURG
# How long a process may take from closing its pipes to its end.
JUST_ENDED_SECONDS = 0.5

# What such a process has said, and whether that is just being asked.
failure = None
_is_asked = False


def join(request, main):
    """The first that a process does whose program has no file."""
    from . import display, errors
    late.begin(request, main)
    builtins.display = display.display
    builtins.ExecutionTimeout = errors.ExecutionTimeout
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")


def change_util(util):
    start = util.spawnv_passfds

    def spawnv_passfds(path, args, passfds):
        if failure is not None:
            # The thread of a pool must go on until that is closed.
            time.sleep(0.1)
        return start(path, _with_prologue(args), passfds)

    util.spawnv_passfds = spawnv_passfds


def _with_prologue(args):
    args = list(args)
    position = args.index("-c") + 1 if "-c" in args else len(args)
    if late.program and position < len(args):
        request, main = late.program
        prologue = PROLOGUE.format(root=os.path.dirname(FOLDER), request=request, main=main)
        args[position] = prologue + args[position]
    return args


def change_spawn(spawn):
    for name in ("_fixup_main_from_path", "_fixup_main_from_name"):
        setattr(spawn, name, _once_more(spawn, getattr(spawn, name)))
    from multiprocessing import context
    if hasattr(context.SpawnProcess, "_after_fork"):
        # What was forked forgets what its parent has to clean up; here that is its own.
        context.ForkServerProcess._after_fork = staticmethod(context.SpawnProcess._after_fork)
    if threading.current_thread() is threading.main_thread():
        signal.signal(WAKE, _raise_failure)


def _once_more(spawn, from_file):
    def fixup_main(place):
        try:
            if late.program and place == late.program[1]:
                _run(spawn)
            else:
                from_file(place)
        except BaseException as error:
            if isinstance(error, RuntimeError) and any(text in str(error) for text in COMPLAINTS):
                _end(UNGUARDED)
            if isinstance(error, KeyboardInterrupt):
                raise
            if not isinstance(error, SystemExit):
                from . import forks
                forks.show(error, (FOLDER, os.path.dirname(spawn.__file__), "<frozen "))
            _end(FAILED)
    return fixup_main


def _end(reason):
    from . import forks
    forks.flush()
    # What the program made before it failed is nobody's.
    sys.modules["multiprocessing.util"]._run_finalizers()
    signal.signal(reason, signal.SIG_DFL)
    os.kill(os.getpid(), reason)
    time.sleep(60)


def _run(spawn):
    import json
    from . import runner
    current = sys.modules["__main__"]
    request, main = late.program
    if getattr(current, "__file__", None) == main:
        return
    spawn.old_main_modules.append(current)
    module = types.ModuleType("__mp_main__")
    module.__file__ = main
    # By this name its functions are found while it still runs.
    sys.modules["__mp_main__"] = module
    with open(request, encoding="utf-8") as file:
        code = json.load(file)["code"]
    runner.execute(code, module)
    sys.modules["__main__"] = module


def change_popen(popen):
    wait = popen.Popen.poll

    def poll(self, flag=os.WNOHANG):
        code = wait(self, flag)
        if code in ADVICE and failure is None:
            _fail(ADVICE[code])
        return code

    popen.Popen.poll = poll


def _fail(advice):
    """Has the program end, which would go on to start such processes."""
    global failure
    failure = advice
    thread, main = threading.current_thread(), threading.main_thread()
    is_executor = type(thread).__name__ == "_ExecutorManagerThread"
    is_exiting = late.is_over or sys.modules["multiprocessing.util"].is_exiting()
    if _is_asked:
        return
    if is_exiting or is_executor and not late.program:
        print(f"RuntimeError: {advice}", file=sys.stderr, flush=True)
    elif thread is main:
        raise RuntimeError(advice)
    elif signal.getsignal(WAKE) is not _raise_failure:
        print(f"RuntimeError: {advice}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
    elif not is_executor:
        # Its executor ends the program with an error of its own.
        signal.pthread_kill(main.ident, WAKE)


def _raise_failure(number, frame):
    if failure is not None and not late.is_over:
        raise RuntimeError(failure)


def explain(error):
    """What a process has said that could not run the program, if there was one."""
    global _is_asked
    _is_asked = True
    for thread in threading.enumerate():
        if type(thread).__name__ == "_ExecutorManagerThread":
            # It learns how the processes ended just now.
            thread.join(1)
    until = time.monotonic() + (JUST_ENDED_SECONDS if isinstance(error, (EOFError, OSError)) else 0)
    for process in sys.modules["multiprocessing"].active_children():
        process.join(max(0.0, until - time.monotonic()))
    return failure


def change_forkserver(forkserver):
    # Its server listens on a socket, and there are none here. A new interpreter
    # for each process is the same to a program, only slower.
    from multiprocessing import popen_spawn_posix
    forkserver.Popen = popen_spawn_posix.Popen
