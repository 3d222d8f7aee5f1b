"""Results: the text of the last expression, and rich outputs.

Every text is bounded before it is built where its type allows that, because
`[0] * 10**7` as a last line is common and nobody reads all of it.
"""
import base64
import builtins
import itertools
import types

# Methods of the Jupyter protocol and what they return.
RICH_METHODS = (
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_latex_", "text/latex"),
    ("_repr_json_", "application/json"),
)
# Types of which no instance has any of these methods.
PLAIN_TYPES = frozenset((
    int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range,
    type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType,
))
# The shortest element of a container takes this much of its text: "1, ".
ELEMENT_BYTES = 3

_outputs = []
_text_limit = _output_limit = 0
# Takes each output of `display` at once.
_show = None
_output_size = 0


def begin(text_limit, output_limit, show=None):
    """Starts the outputs of a run. `show` is given each that is displayed, if
    somebody sees them while the run goes on."""
    global _outputs, _text_limit, _output_limit, _output_size, _show
    if _outputs:
        _outputs = []
    _text_limit = text_limit
    _output_limit = output_limit
    _output_size = 0
    _show = show


def collected():
    """The outputs of this run, in order."""
    return _outputs


def clean(text):
    """`text` without lone surrogates, which JSON in UTF-8 cannot carry."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text, limit, whole=None):
    """`text` in at most about `limit` bytes, marked where it ends early. `whole`
    says how much there was if `text` is not all of it."""
    text = clean(text)
    if whole is None and len(text) * 4 <= limit:
        return text
    data = text.encode()
    if whole is None and len(data) <= limit:
        return text
    whole = whole or f"{len(data)} bytes"
    return data[:limit].decode("utf-8", "ignore") + f"... [cut, {whole} in all]"


def _short(value, limit):
    """A value whose text is as good as that of `value` up to `limit`."""
    kind = type(value)
    if kind in (str, bytes, bytearray):
        return value[:limit + 1] if len(value) > limit else value
    if kind in (list, tuple, set, frozenset):
        most = limit // ELEMENT_BYTES + 1
        return kind(itertools.islice(value, most)) if len(value) > most else value
    if kind is dict:
        most = limit // ELEMENT_BYTES + 1
        return dict(itertools.islice(value.items(), most)) if len(value) > most else value
    return value


def represent(value, limit):
    """repr(value), cut to `limit` bytes."""
    shortened = _short(value, limit)
    whole = None if shortened is value else f"{len(value)} elements"
    return cut(repr(shortened), limit, whole)


def result(value):
    """The text of the last expression; adds an output if it has a rich form."""
    text = represent(value, _text_limit)
    if type(value) not in PLAIN_TYPES:
        bundle = _rich(value)
        if bundle:
            bundle.setdefault("text/plain", text)
            _add(bundle)
    return text


def _rich(value):
    """The MIME bundle that `value` offers, or an empty one."""
    bundle = {}
    offered = _offered(value, "_repr_mimebundle_")
    if isinstance(offered, dict):
        bundle.update(offered)
    for name, mime in RICH_METHODS:
        if mime not in bundle:
            bundle[mime] = _offered(value, name)
    return {mime: _encoded(mime, data) for mime, data in bundle.items() if data is not None}


def _offered(value, name):
    """What a method of the Jupyter protocol returns; None if there is none."""
    # Of the type: objects that answer to every name must not seem rich.
    if not callable(getattr(type(value), name, None)) or isinstance(value, type):
        return None
    try:
        data = getattr(value, name)()
    except Exception:
        # A broken picture is no reason to lose the result.
        return None
    # Data may come with metadata, for which the ABI has no place.
    return data[0] if isinstance(data, tuple) and data else data


def _is_text(mime):
    return mime.startswith("text/") or mime == "image/svg+xml"


def _encoded(mime, data):
    """`data` as the ABI wants it: text, or base64."""
    if _is_text(mime):
        if isinstance(data, (bytes, bytearray)):
            data = bytes(data).decode("utf-8", "replace")
        return cut(str(data), _text_limit)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(data)).decode()
    if isinstance(data, str) and not mime.endswith("json"):
        # By the Jupyter protocol this is base64 already.
        return "".join(data.split())
    import json
    text = data if isinstance(data, str) else json.dumps(data, default=str)
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def _add(bundle):
    global _output_size
    size = sum(len(mime) + len(data) for mime, data in bundle.items())
    if _output_size + size > _output_limit:
        kinds = ", ".join(mime for mime in bundle if mime != "text/plain") or "text/plain"
        bundle = {"text/plain": f"[output of {size} bytes left out ({kinds}): the outputs of "
                                f"one run may take {_output_limit} bytes together]"}
        size = 0
        if _outputs and _outputs[-1].get("text/plain", "").startswith("[output of "):
            return
    _output_size += size
    _outputs.append(bundle)


def display(*values, **options):
    """Shows values to the reader of the reply, in their richest form."""
    for value in values:
        if options.get("raw") and isinstance(value, dict):
            bundle = {mime: _encoded(mime, data) for mime, data in value.items()}
        else:
            bundle = {} if type(value) in PLAIN_TYPES else _rich(value)
            if "text/plain" not in bundle:
                bundle["text/plain"] = represent(value, _text_limit)
        _add(bundle)
        if _show is not None:
            _show(bundle)


def install():
    """Makes `display`, `exit`, `quit` and `help` builtin, as programs expect."""
    import _sitebuiltins
    builtins.display = display
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
    builtins.help = _sitebuiltins._Helper()
