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
# Of how many errors together frames are left out.
MOST_ERRORS = 100

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
    """The traceback without frames of files in `folder`."""
    while trace is not None and _is_below(trace, folder):
        trace = trace.tb_next
    last = trace
    while last is not None and last.tb_next is not None:
        if _is_below(last.tb_next, folder):
            last.tb_next = last.tb_next.tb_next
        else:
            last = last.tb_next
    return trace


def _is_below(trace, folder):
    return trace.tb_frame.f_code.co_filename.startswith(folder)


def _drop_frames(failure, folder):
    """Leaves out frames of files in `folder`, also of the errors behind it."""
    seen = set()
    waiting = [failure]
    while waiting and len(seen) < MOST_ERRORS:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = own_frames(error.__traceback__, folder)
        waiting += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def _describe(failure, folder):
    _drop_frames(failure, folder)
    described = traceback.TracebackException(type(failure), failure, failure.__traceback__, compact=True)
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
