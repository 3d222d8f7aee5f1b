"""Whether a program's own hook for errors prints the traceback itself: then the
reply need not say it again.

Shared by both Pythons.
"""
import traceback

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
        if HEAD in self._text and lines and lines[-1] in self._text.replace("\r\n", "\n") + "\n":
            error["traceback"] = "".join(lines)
