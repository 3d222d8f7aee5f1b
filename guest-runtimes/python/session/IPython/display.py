"""The display classes of IPython, over this sandbox's own `display`."""
import json

from _belljar.display import display

__all__ = ["display", "clear_output", "DisplayObject", "HTML", "Markdown", "SVG", "Latex", "Math",
           "JSON", "Image", "Pretty"]


def clear_output(wait=False):
    """Does nothing: outputs of a run are a list."""


class DisplayObject:
    """Data of one MIME type, given as such or as the name of a file."""

    mime = "text/plain"
    binary = False

    def __init__(self, data=None, url=None, filename=None, metadata=None):
        if url is not None:
            raise ValueError("this sandbox has no network: give data or filename, not url")
        if filename is not None:
            with open(filename, "rb") as file:
                data = file.read()
            if not self.binary:
                data = data.decode("utf-8", "replace")
        self.data = data
        self.metadata = metadata

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: self.data}

    def __repr__(self):
        return f"<IPython.display.{type(self).__name__} object>"


class Pretty(DisplayObject):
    """Plain text."""


class HTML(DisplayObject):
    """HTML text."""

    mime = "text/html"


class Markdown(DisplayObject):
    """Markdown text."""

    mime = "text/markdown"


class Latex(DisplayObject):
    """LaTeX text."""

    mime = "text/latex"


class Math(Latex):
    """A formula in LaTeX."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: f"$\\displaystyle {self.data.strip('$')}$"}


class SVG(DisplayObject):
    """A drawing in SVG."""

    mime = "image/svg+xml"

    def __init__(self, data=None, url=None, filename=None, metadata=None):
        if isinstance(data, str) and "<" not in data and filename is None:
            data, filename = None, data
        super().__init__(data, url, filename, metadata)


class JSON(DisplayObject):
    """A value that JSON can hold."""

    mime = "application/json"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: self.data if isinstance(self.data, str) else json.dumps(self.data)}


class Image(DisplayObject):
    """A picture: bytes, or the name of a file, in PNG, JPEG, GIF or WebP."""

    binary = True

    SIGNATURES = (
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
    )

    def __init__(self, data=None, url=None, filename=None, format=None, embed=None, width=None,
                 height=None, metadata=None):
        if isinstance(data, str) and filename is None:
            data, filename = None, data
        super().__init__(data, url, filename, metadata)
        data = bytes(self.data or b"")
        self.mime = next((mime for start, mime in self.SIGNATURES if data.startswith(start)),
                         f"image/{format or 'png'}")
