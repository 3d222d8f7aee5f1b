"""What a program raised, as its reader should see it."""
import errno
import traceback

from . import display

# Of stacks deeper than this, which come from endless recursion, only the ends
# are shown.
MOST_FRAMES = 60
FIRST_FRAMES = 5
LAST_FRAMES = 10
# How far to look for the error that caused the error.
MOST_CAUSES = 4

STORAGE_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
DESCRIPTOR_ERRORS = frozenset((errno.EMFILE, errno.ENFILE))


class ExecutionTimeout(KeyboardInterrupt):
    """A limit of this run was reached, or its caller cancelled it."""


ExecutionTimeout.__module__ = "builtins"


def report(failure, limit, folder):
    """The `error` of a reply, without the frames of files in `folder`."""
    kind = type(failure)
    try:
        from . import advice
        advice.explain(failure)
    except Exception:
        # It is only advice.
        pass
    try:
        value = str(failure)
    except BaseException as error:
        value = f"<{kind.__name__}.__str__ raised {type(error).__name__}>"
    try:
        text = _describe(failure, folder)
    except BaseException as error:
        text = f"{kind.__name__} (its traceback is not available: {type(error).__name__})\n"
    return {
        "name": display.clean(kind.__name__),
        "value": display.cut(value, limit),
        "traceback": _cut_middle(text, limit),
        "cause": cause(failure),
    }


def cause(failure):
    """Which kind of limit the error is about, or None."""
    for _ in range(MOST_CAUSES):
        if failure is None:
            return None
        if isinstance(failure, ExecutionTimeout):
            return "interrupt"
        if isinstance(failure, MemoryError):
            return "memory"
        if isinstance(failure, BlockingIOError) and failure.filename is None and failure.errno == errno.EAGAIN:
            return "processes"
        if isinstance(failure, RuntimeError) and "start new thread" in str(failure):
            return "processes"
        if isinstance(failure, OSError):
            if failure.errno == errno.ENOMEM:
                return "memory"
            if failure.errno in STORAGE_ERRORS:
                return "storage"
            if failure.errno in DESCRIPTOR_ERRORS:
                return "descriptors"
        failure = failure.__cause__ or failure.__context__
    return None


def own_frames(trace, folder):
    """The traceback from the first frame on that is not of a file in `folder`."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(folder):
        trace = trace.tb_next
    return trace


def _describe(failure, folder):
    trace = own_frames(failure.__traceback__, folder)
    described = traceback.TracebackException(type(failure), failure, trace, compact=True)
    for one in _chain(described):
        if len(one.stack) > MOST_FRAMES:
            left_out = len(one.stack) - FIRST_FRAMES - LAST_FRAMES
            middle = traceback.FrameSummary(f"... {left_out} frames left out", 0, "...", lookup_line=False, line="")
            one.stack[FIRST_FRAMES:-LAST_FRAMES] = [middle]
    return "".join(described.format())


def _chain(described):
    while described is not None:
        yield described
        described = described.__cause__ or described.__context__


def _cut_middle(text, limit):
    text = display.clean(text)
    data = text.encode()
    if len(data) <= limit:
        return text
    half = limit // 2
    start, end = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{start}\n... [{len(data) - limit} bytes left out]\n{end}"
