"""The display classes of IPython, over this sandbox's own `display`."""
import builtins
import json
import os

__all__ = [
    "display", "display_html", "display_jpeg", "display_javascript", "display_json",
    "display_latex", "display_markdown", "display_pdf", "display_png", "display_pretty",
    "display_svg", "publish_display_data", "update_display", "clear_output", "DisplayHandle",
    "DisplayObject", "TextDisplayObject", "Pretty", "HTML", "Markdown", "Math", "Latex", "SVG",
    "JSON", "GeoJSON", "Javascript", "Image", "Audio", "Video", "Code", "ProgressBar", "IFrame",
    "YouTubeVideo", "VimeoVideo", "ScribdDocument", "FileLink", "FileLinks",
    "set_matplotlib_formats", "set_matplotlib_close",
]


class DisplayHandle:
    """Shows something again: outputs of a run are a list, so it shows anew."""

    def __init__(self, display_id=None):
        self.display_id = display_id or os.urandom(16).hex()

    def __repr__(self):
        return f"<DisplayHandle display_id={self.display_id}>"

    def display(self, obj, **options):
        display(obj, **options)

    def update(self, obj, **options):
        display(obj, **options)


def display(*objs, include=None, exclude=None, metadata=None, transient=None, display_id=None,
            raw=False, clear=False, **options):
    """Shows values to the reader of the reply, in their richest form."""
    builtins.display(*objs, raw=raw)
    if display_id:
        return DisplayHandle(None if display_id is True else display_id)
    return None


def update_display(obj, *, display_id, **options):
    """Shows a value anew: nothing that was shown can be changed."""
    display(obj)


def publish_display_data(data, metadata=None, *, transient=None, **options):
    """Shows data that is a MIME bundle already."""
    builtins.display(data, raw=True)


def clear_output(wait=False):
    """Does nothing: outputs of a run are a list."""


def set_matplotlib_formats(*formats, **options):
    """Does nothing: figures are PNG."""


def set_matplotlib_close(close=True):
    """Does nothing: figures are closed when they were shown."""


def _shower(mime, name):
    def show(*objs, raw=False, metadata=None):
        for each in objs:
            builtins.display({mime: each}, raw=True) if raw else builtins.display(each)
    show.__name__ = show.__qualname__ = name
    show.__doc__ = f"Shows values whose form is {mime}, or data of that type with raw=True."
    return show


display_pretty = _shower("text/plain", "display_pretty")
display_html = _shower("text/html", "display_html")
display_markdown = _shower("text/markdown", "display_markdown")
display_svg = _shower("image/svg+xml", "display_svg")
display_png = _shower("image/png", "display_png")
display_jpeg = _shower("image/jpeg", "display_jpeg")
display_latex = _shower("text/latex", "display_latex")
display_json = _shower("application/json", "display_json")
display_javascript = _shower("application/javascript", "display_javascript")
display_pdf = _shower("application/pdf", "display_pdf")


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


TextDisplayObject = DisplayObject


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


class Code(DisplayObject):
    """Source code, shown as text."""

    def __init__(self, data=None, url=None, filename=None, language=None):
        super().__init__(data, url, filename)

    def __repr__(self):
        return self.data


class ProgressBar:
    """A bar of text. Shown once for each step that is displayed."""

    def __init__(self, total):
        self.total = total
        self.progress = 0

    def __repr__(self):
        done = int(60 * self.progress / self.total) if self.total else 60
        return f"[{'=' * done}{' ' * (60 - done)}] {self.progress}/{self.total}"

    def display(self):
        display(self)

    update = display

    def __iter__(self):
        self.progress = -1
        return self

    def __next__(self):
        self.progress += 1
        if self.progress >= self.total:
            raise StopIteration
        return self.progress


class FileLink:
    """A file of the workspace, by its name."""

    def __init__(self, path, url_prefix="", result_html_prefix="", result_html_suffix="<br>"):
        if os.path.isdir(path):
            raise ValueError(f"cannot display a directory using FileLink: use FileLinks for {path!r}")
        self.path = str(path)

    def __repr__(self):
        return os.path.abspath(self.path)


class FileLinks:
    """The files below a folder, by their names."""

    def __init__(self, path, url_prefix="", included_suffixes=None, recursive=True, **options):
        if not os.path.isdir(path):
            raise ValueError(f"cannot display a file using FileLinks: use FileLink for {path!r}")
        self.path = str(path)
        self.suffixes = tuple(included_suffixes or ("",))

    def __repr__(self):
        return "\n".join(os.path.join(folder, name) for folder, _, names in sorted(os.walk(self.path))
                         for name in sorted(names) if name.endswith(self.suffixes))


def _missing(name, instead):
    class Missing:
        def __init__(self, *args, **kwargs):
            raise NotImplementedError(f"{name} cannot be shown in this sandbox: {instead}")
    Missing.__name__ = Missing.__qualname__ = name
    Missing.__doc__ = f"Cannot be shown: {instead}."
    return Missing


_SCRIPT = "no script runs where results are read; show HTML, SVG or an Image"
_SOUND = "results are text and images; write the data to a file instead"
_PAGE = "there is no network where results are read; show the address as text, or HTML"
Javascript = _missing("Javascript", _SCRIPT)
GeoJSON = _missing("GeoJSON", "show JSON, or a map drawn as SVG")
Audio = _missing("Audio", _SOUND)
Video = _missing("Video", _SOUND)
IFrame = _missing("IFrame", _PAGE)
YouTubeVideo = _missing("YouTubeVideo", _PAGE)
VimeoVideo = _missing("VimeoVideo", _PAGE)
ScribdDocument = _missing("ScribdDocument", _PAGE)
