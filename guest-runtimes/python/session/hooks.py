"""Whether a program's own hook for errors prints the traceback itself: then the
reply need not say it again.

Shared by both Pythons.
"""
import traceback

from . import display

HEAD = "Traceback (most recent call last)"
# A hook prints little; of one that prints more the end counts.
MOST_CHARACTERS = 1_000_000


class Watch:
    """A context that sees the text which streams are given."""

    def __init__(self, streams):
        self._streams = [stream for stream in streams if stream is not None]
        self._text = ""

    def __enter__(self):
        for stream in self._streams:
            stream.write = self._recording(stream.write)
        return self

    def __exit__(self, *failure):
        for stream in self._streams:
            stream.__dict__.pop("write", None)

    def _recording(self, write):
        def recording(text, /):
            if isinstance(text, str):
                self._text = (self._text + text)[-MOST_CHARACTERS:]
            return write(text)
        return recording

    def shorten(self, error, failure):
        """Takes the traceback out of the `error` of a reply if it was printed."""
        lines = traceback.format_exception_only(failure)
        if not self._has_shown(failure, lines):
            return
        short = display.clean("".join(lines))
        # The one of the reply has its bound.
        if len(short) < len(error["traceback"]):
            error["traceback"] = short

    def _has_shown(self, failure, lines):
        """Whether the text has a traceback or, in a form of its own, the place and
        the type of an error."""
        text = self._text.replace("\r\n", "\n")
        if HEAD in text and lines and lines[-1] in text + "\n":
            return True
        frames = traceback.extract_tb(failure.__traceback__)
        if not frames or type(failure).__name__ not in text:
            return False
        return f'File "{frames[-1].filename}", line {frames[-1].lineno}' in text
