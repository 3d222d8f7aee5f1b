"""Processes that a program forks: they are the program's own. A signal ends
them as it does elsewhere, and they neither answer the request nor print what
their parent has still to print.
"""
import _thread
import os
import signal
import sys
import traceback

_mask = _thread._local()
_is_child = False


def begin(reply, handler):
    """`reply` is a descriptor that is this process's alone, and `handler` what
    it does on `SIGTERM` for the time being.
    """

    def before():
        # Or both would print it.
        flush()
        # Until the child has its default again, which is to end.
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))

    def after():
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)

    def after_in_child():
        global _is_child
        if not _is_child:
            _is_child = True
            os.close(reply)
        if signal.getsignal(signal.SIGTERM) is handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        after()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)


def is_child():
    """Whether this process is one that the program has forked."""
    return _is_child


def show(failure, folder):
    """Prints what ended such a process, as the end of a script does."""
    trace = failure.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(folder):
        trace = trace.tb_next
    hook = sys.excepthook
    if hook.__module__ == "sys":
        # That of a process without our own changes.
        hook = traceback.print_exception
    hook(type(failure), failure, trace)


def flush():
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError, RuntimeError):
            # The program closed or replaced it, or is just writing to it.
            pass
