"""The module `belljar` of programs, in the image and on the machine's own Python:
what it gives them over `asking`, which each of the two has its own of.
"""
import json
from time import monotonic

from . import asking
from .display import clean

# Kinds of answers, as the guest ABI has them.
ANSWERED, FAILED, DENIED = 0, 1, 2
# A program that tells its progress in a loop tells this many steps as they come,
# and then so many a second: far fewer than the calls that a run may make.
BURST = 1000
A_SECOND = 20
# More of a text is not shown.
SHOWN_CHARACTERS = 1000
# Sums of fractions may come out a little above.
MOST_FRACTION = 1 + 1e-6

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class CallError(Exception):
    """The host did not answer a call; the text says why."""


class CallDenied(CallError, PermissionError):
    """The policy of this server does not grant a call to this program."""


def call(name, /, **arguments):
    """Calls the host: the answer of what it calls `name`, which gets the arguments.

    All of them, and the answer, are what JSON can say. Raises CallError when
    there is no answer, CallDenied when the program may not call this.
    """
    return answer_of(*asking.ask(name, encoded(arguments)))


async def call_async(name, /, **arguments):
    """The same for asyncio: other tasks go on meanwhile."""
    return answer_of(*await asking.ask_async(name, encoded(arguments)))


def progress(message="", fraction=None):
    """Tells whoever follows this run how far it is: in words, and as a fraction
    of its work from 0 to 1. What is told more often than anyone reads is left out."""
    if fraction is not None:
        fraction = float(fraction)
        if not 0 <= fraction <= MOST_FRACTION:
            raise ValueError(f"fraction is from 0 to 1, got {fraction!r}")
    message = clean(str(message)[:SHOWN_CHARACTERS])
    if _may_tell():
        call("progress", message=message, fraction=fraction)


def show(bundle):
    """Has whoever follows this run see an output at once. It is in the reply
    anyway, so nothing depends on it."""
    text = bundle.get("text/plain") or f"[{', '.join(bundle)}]"
    if _may_tell():
        try:
            call("display", text=text[:SHOWN_CHARACTERS])
        except CallError:
            pass


def encoded(arguments):
    """Arguments as the host takes them."""
    return _encode(arguments).encode()


def answer_of(kind, data):
    """The value in an answer of the host."""
    if kind == ANSWERED:
        return _decode(data.decode())
    raise (CallDenied if kind == DENIED else CallError)(data.decode("utf-8", "replace"))


_left = BURST
_told = 0.0


def _may_tell():
    """Whether there is room for one more thing to tell."""
    global _left, _told
    now = monotonic()
    _left = min(BURST, _left + max(now - _told, 0) * A_SECOND)
    _told = now
    if _left < 1:
        return False
    _left -= 1
    return True


for _public in (CallError, CallDenied, call, call_async, progress):
    _public.__module__ = "belljar"
