"""What a program raised, as its reader should see it."""
import errno
import traceback
from collections import deque

from _belljar_native import was_interrupted

from . import display, missing

# Of stacks deeper than this, which come from endless recursion, only the ends
# are shown: describing a frame costs more than running it did.
MOST_FRAMES = 60
FIRST_FRAMES = 5
LAST_FRAMES = 10
# How far to look for the error that caused the error.
MOST_CAUSES = 4

# How the names of files begin that do not belong to the program.
LIBRARIES = ("<frozen ", "/usr/lib/python3.13/")

STORAGE_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
DESCRIPTOR_ERRORS = frozenset((errno.EMFILE, errno.ENFILE))


def report(failure, limit):
    """The `error` of a reply."""
    kind = type(failure)
    missing.explain(failure)
    text = _describe(failure)
    try:
        value = str(failure)
    except BaseException as error:
        value = f"<{kind.__name__}.__str__ raised {type(error).__name__}>"
    return {
        "name": display.clean(kind.__name__),
        "value": display.cut(value, limit),
        "traceback": _cut_middle(text, limit),
        "cause": cause(failure),
    }


def report_name(failure, second):
    """The `error` of a reply when even describing it failed."""
    name = type(failure).__name__
    text = f"{name} (its description is not available: {type(second).__name__})"
    return {"name": display.clean(name), "value": "", "traceback": display.clean(text) + "\n",
            "cause": cause(second) or cause(failure)}


def cause(failure):
    """Which kind of limit the error is about, or None."""
    waiting = deque([failure])
    for _ in range(MOST_CAUSES):
        if not waiting:
            return None
        error = waiting.popleft()
        found = _cause_of_one(error)
        if found:
            return found
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if before is not None:
            waiting.append(before)
    return None


def _cause_of_one(error):
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, KeyboardInterrupt):
        return "interrupt" if was_interrupted() else None
    if isinstance(error, OSError):
        if error.errno in STORAGE_ERRORS:
            return "storage"
        if error.errno in DESCRIPTOR_ERRORS:
            return "descriptors"
        return None
    if getattr(error, "sqlite_errorname", None) == "SQLITE_FULL":
        return "storage"
    return None


def _describe(failure):
    """The traceback as text."""
    frames = own_frames(failure.__traceback__)
    for error in _with_causes(failure):
        _drop_last_own_frames(error.__traceback__)
    depth = _depth(frames)
    if depth <= MOST_FRAMES:
        return "".join(traceback.format_exception(type(failure), failure, frames))
    return "".join((
        "Traceback (most recent call last):\n",
        *traceback.format_tb(frames, FIRST_FRAMES),
        f"  ... [{depth - FIRST_FRAMES - LAST_FRAMES} frames] ...\n",
        *traceback.format_tb(frames, -LAST_FRAMES),
        *traceback.format_exception_only(type(failure), failure),
    ))


def _with_causes(failure):
    """The error and the first few errors behind it."""
    for _ in range(MOST_CAUSES):
        if failure is None:
            return
        yield failure
        failure = failure.__cause__ or failure.__context__


def own_frames(trace):
    """The traceback from the first frame on that belongs to the program, without
    those of this package that called other functions of it."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename.startswith(LIBRARIES):
        start = start.tb_next
    last = start
    while last is not None and last.tb_next is not None:
        after = last.tb_next
        if _is_ours(after) and after.tb_next is not None:
            last.tb_next = after.tb_next
        else:
            last = after
    return start


def _is_ours(trace):
    return trace.tb_frame.f_code.co_filename.startswith("<frozen _belljar")


def _drop_last_own_frames(trace):
    """Ends a traceback where the program called into this package."""
    last = trace
    while trace is not None:
        if not _is_ours(trace):
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


def _depth(trace):
    depth = 0
    while trace is not None:
        depth += 1
        trace = trace.tb_next
    return depth


def _cut_middle(text, limit):
    """Keeps the end of a traceback, which says what happened, and some start."""
    text = display.clean(text)
    data = text.encode()
    if len(data) <= limit:
        return text
    head = data[:limit // 4].decode("utf-8", "ignore")
    tail = data[len(data) - limit * 3 // 4:].decode("utf-8", "ignore")
    return f"{head}\n... [cut, {len(data)} bytes in all] ...\n{tail}"
