"""Times as text by the directives that programs know from Linux.

The C library here ends a text at the first directive it does not know, with
nothing. Elsewhere such a directive stands for itself, and there are more: hours
without zeros, flags for padding and case.
"""
import re
import time

_standard = time.strftime
_mktime = time.mktime
_localtime = time.localtime

# What the C library does as elsewhere, without flags.
KNOWN = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%"
_plain = re.compile(f"(?:[^%]|%[{KNOWN}])*").fullmatch
_directives = re.compile(r"%([-_0^#]*)(\d*)([EO]?)(.?)", re.DOTALL)

UPPER_WITH_HASH = "aAbBh"
LOWER_WITH_HASH = "pZ"
PADDED_WITH_SPACES = "kle"
# Far above what is written, below what would fill memory.
MOST_WIDTH = 1000


def strftime(format, t=None, /):
    """time.strftime() with the directives and flags of the C library of Linux."""
    if not isinstance(format, str) or _plain(format):
        return _standard(format) if t is None else _standard(format, t)
    moment = _localtime() if t is None else t
    pieces, end = [], 0
    for match in _directives.finditer(format):
        pieces.append(format[end:match.start()])
        pieces.append(_piece(match, moment))
        end = match.end()
    pieces.append(format[end:])
    return "".join(pieces)


def _piece(match, moment):
    flags, width, _, letter = match.groups()
    text = _value(letter, moment)
    if text is None or not letter:
        return match.group()
    for flag in flags:
        if flag == "^":
            text = text.upper()
        elif flag == "#":
            if letter in UPPER_WITH_HASH:
                text = text.upper()
            elif letter in LOWER_WITH_HASH:
                text = text.lower()
    return _padded(text, letter, flags, min(int(width or 0), MOST_WIDTH))


def _value(letter, moment):
    """The text of a directive without flags; None when there is none such."""
    if letter == "k":
        return f"{moment[3]:2}"
    if letter == "l":
        return f"{(moment[3] - 1) % 12 + 1:2}"
    if letter == "P":
        return _standard("%p", moment).lower()
    if letter == "s":
        return str(int(_mktime(moment)))
    return _standard("%" + letter, moment) if letter and letter in KNOWN else None


def _padded(text, letter, flags, width):
    padding = next((flag for flag in reversed(flags) if flag in "-_0"), None)
    is_number = text.strip().isdigit()
    if padding is None and width <= len(text):
        return text
    if padding is None:
        if not is_number:
            return text.rjust(width)
        return text.strip().rjust(width, " ") if letter in PADDED_WITH_SPACES else text.rjust(width, "0")
    wanted, width = width, max(width, len(text))
    if is_number:
        text = text.strip().lstrip("0") or "0"
    # Without padding there is none but what a width asks for.
    return text.rjust(width if padding != "-" or wanted else 0, "0" if padding == "0" else " ")


def install():
    """Puts it in the place of time.strftime, which datetime calls too."""
    time.strftime = strftime
