"""The end of a run, which is the end of a script: threads are waited for,
`atexit` functions run, and what is buffered reaches its file.

In a session, which may go on, files that nobody closed are flushed and stay
open. The last run of an instance ends all that is left, as the end of an
interpreter does. Nothing is done that was not asked for: a run that opened no
file and registered nothing pays for a few comparisons.
"""
import atexit
import gc
import gzip
import io
import logging
import sys
import traceback
import weakref

from _belljar_native import files_were_opened, was_interrupted

from . import console, errors, threads

_BUFFERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, gzip.GzipFile)
_callbacks = atexit._ncallbacks
_run_callbacks = atexit._run_exitfuncs
# Lists that the runs of an instance fill, looked at after each.
_tasks, _stuck = threads._tasks, threads._stuck
_logging_handlers = logging._handlerList
_finalizers = weakref.finalize._registry
_standard_hook = sys.excepthook

# Files that an earlier run of this instance left open.
_open = []
# An interrupt that nobody could raise.
_interruption = None
# Of a run that has done nothing yet: handlers of logging, names in `__main__`.
_handlers = _names = 0


def unraisablehook(unraisable):
    """sys.unraisablehook, with the lines of cells."""
    global _interruption
    failure = unraisable.exc_value
    if isinstance(failure, KeyboardInterrupt) and was_interrupted():
        # The run reports it: nothing more of it runs.
        _interruption = failure
        atexit._clear()
        return
    if sys.stderr is None:
        return
    text = unraisable.err_msg or "Exception ignored in"
    head = f"{text}:" if unraisable.object is None else f"{text}: {unraisable.object!r}"
    trace = errors.own_frames(unraisable.exc_traceback)
    lines = traceback.format_exception_only(unraisable.exc_type, failure)
    if trace is not None:
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(trace), *lines]
    sys.stderr.write(f"{head}\n{''.join(lines)}")
    sys.stderr.flush()


def install():
    """Puts hooks and exit functions where they belong; those of the image's own
    modules are known here."""
    global _handlers, _names
    unraisablehook.__module__ = "sys"
    sys.unraisablehook = sys.__unraisablehook__ = unraisablehook
    atexit._clear()
    # Finalizers run when the interpreter ends, which only the last run does.
    weakref.finalize._registered_with_atexit = True
    _handlers = len(logging._handlerList)
    _names = len(sys.modules["__main__"].__dict__)


def call_excepthook(failure, error):
    """Shows an error by the hook of the program, if it has one, and takes out of
    the reply's `error` what that shows."""
    hook = getattr(sys, "excepthook", None)
    if hook is _standard_hook or hook is None or was_interrupted():
        return
    failure.__traceback__ = errors.own_frames(failure.__traceback__)
    from . import hooks
    watch = hooks.Watch(console.own_streams())
    try:
        with watch:
            hook(type(failure), failure, failure.__traceback__)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as second:
        text = traceback.format_exception(type(second), second, errors.own_frames(second.__traceback__))
        print("Error in sys.excepthook:", "".join(text), sep="\n", file=sys.stderr)
    finally:
        watch.shorten(error, failure)


def is_wanted(last, namespace):
    """Whether there is anything to do."""
    return (_callbacks() or files_were_opened() or _open or _tasks or _stuck
            or len(_logging_handlers) > _handlers
            or last and (_finalizers or len(namespace) > _names and _has_finalizers(namespace)))


def finish(last, namespace):
    """Ends a run. Raises what ends it differently: a limit, a deadlock of its
    threads, a full disk."""
    global _interruption
    _interruption = None
    opened = files_were_opened()
    try:
        if not was_interrupted():
            threads.finish(last)
            _exit_functions(last)
    finally:
        if was_interrupted():
            atexit._clear()
        _flush(opened)
    if last and not was_interrupted() and (opened or _open or _has_finalizers(namespace)):
        _drop(namespace)
    if _interruption is not None:
        raise _interruption


def _exit_functions(last):
    if _callbacks():
        _run_callbacks()
    if last and weakref.finalize._registry and not was_interrupted():
        weakref.finalize._exitfunc()
    if len(logging._handlerList) > _handlers and not was_interrupted():
        if last:
            logging.shutdown()
        else:
            _flush_handlers()


def _flush_handlers():
    for reference in reversed(logging._handlerList[_handlers:]):
        handler = reference()
        if handler is not None and getattr(handler, "flushOnClose", True):
            try:
                handler.flush()
            except (OSError, ValueError):
                # Its stream was closed, as logging.shutdown() expects too.
                pass


def _flush(opened):
    """Sends what is buffered in open files."""
    global _open
    files = [file for reference in _open if (file := reference()) is not None]
    if opened:
        known = set(map(id, files))
        files += [each for each in gc.get_objects()
                  if issubclass(type(each), _BUFFERS) and id(each) not in known]
    failure = None
    still_open = []
    # Text before the bytes that it writes to.
    for file in sorted(files, key=lambda file: not isinstance(file, io.TextIOWrapper)):
        try:
            if file.closed:
                continue
            file.flush()
        except ValueError:
            # Detached.
            continue
        except OSError as error:
            failure = failure or error
        except KeyboardInterrupt:
            raise
        except Exception:
            continue
        if _writes(file):
            still_open.append(weakref.ref(file))
    _open = still_open
    if failure is not None:
        raise failure


def _writes(file):
    try:
        return file.writable() and file not in (sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr)
    except Exception:
        return False


def _has_finalizers(namespace):
    return any(isinstance(value, type) and hasattr(value, "__del__") for value in list(namespace.values()))


def _drop(namespace):
    """What the end of an interpreter does to a module: its objects go, those
    that close a file when they go do so."""
    for name in list(namespace):
        if not (name.startswith("__") and name.endswith("__")):
            namespace[name] = None
    gc.collect()
