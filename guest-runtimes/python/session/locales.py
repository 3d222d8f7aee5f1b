"""The locales that are here: C, POSIX and C.UTF-8.

The C library takes any name and changes nothing. A program would believe that
it writes German numbers, so other names are refused, as on a machine where they
are not installed.
"""
import _locale
import locale
import os

# In the order in which glibc writes them.
CATEGORIES = {
    "LC_CTYPE": _locale.LC_CTYPE, "LC_NUMERIC": _locale.LC_NUMERIC, "LC_TIME": _locale.LC_TIME,
    "LC_COLLATE": _locale.LC_COLLATE, "LC_MONETARY": _locale.LC_MONETARY,
    "LC_MESSAGES": _locale.LC_MESSAGES,
}
# Categories that glibc names beside those of the locale module.
OTHERS = ("LC_PAPER", "LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION")
# A name that is here, and what setlocale() answers to it.
NAMES = {"C": "C", "POSIX": "C", "C.UTF-8": "C.UTF-8", "C.utf8": "C.utf8"}
# Where the environment says nothing, a Python starts like this.
DEFAULT = "C.UTF-8"
FIRST = {name: "C" for name in (*CATEGORIES, *OTHERS)} | {"LC_CTYPE": DEFAULT}

_current = dict(FIRST)


def _from_environment(category):
    """What '' means for a category (setlocale(3))."""
    for variable in ("LC_ALL", category, "LANG"):
        name = os.environ.get(variable)
        if name:
            return name
    return DEFAULT


def _together(names):
    """One text for all categories, in glibc's way."""
    if len(set(names.values())) == 1:
        return names["LC_CTYPE"]
    order = (*CATEGORIES, *OTHERS)
    return ";".join(f"{category}={names[category]}" for category in order)


def _apart(text):
    """The reverse, or None."""
    if "=" not in text:
        return dict.fromkeys(FIRST, text)
    names = dict(_current)
    for part in text.split(";"):
        category, _, name = part.partition("=")
        if category not in names:
            return None
        names[category] = name
    return names


def setlocale(category, locale=None, /):
    """Activates/queries locale processing."""
    name = next((name for name, number in CATEGORIES.items() if number == category), None)
    if name is None and category != _locale.LC_ALL:
        raise _locale.Error("unsupported locale setting" if locale is not None else "locale query failed")
    if locale is None:
        return _together(_current) if name is None else _current[name]
    if not isinstance(locale, str):
        raise TypeError(f"setlocale() argument 2 must be str or None, not {type(locale).__name__}")
    if locale == "":
        wanted = {category: _from_environment(category) for category in FIRST}
    else:
        wanted = _apart(locale)
    if name is not None and wanted is not None:
        wanted = {name: wanted[name]}
    if wanted is None or any(name not in NAMES for name in wanted.values()):
        raise _locale.Error(
            f"unsupported locale setting: only {', '.join(NAMES)} are in this sandbox; format numbers "
            "with f'{n:,}' and str.translate, names of months and days with a table of your own")
    _current.update((category, NAMES[name]) for category, name in wanted.items())
    return _together(_current) if name is None else _current[name]


def _codeset():
    return "UTF-8" if _current["LC_CTYPE"] != "C" else "ANSI_X3.4-1968"


_library_langinfo = _locale.nl_langinfo


def nl_langinfo(key, /):
    """Return the value for the locale information associated with key."""
    return _codeset() if key == _locale.CODESET else _library_langinfo(key)


def getencoding():
    """Get the current locale encoding."""
    return _codeset()


def install():
    """Takes the place of what the C library answers."""
    for function in (setlocale, nl_langinfo, getencoding):
        function.__module__ = "_locale"
        setattr(_locale, function.__name__, function)
    # The setlocale() of the module takes pairs such as ('C', 'UTF-8') as well, and calls ours.
    locale._setlocale, locale.nl_langinfo, locale.getencoding = setlocale, nl_langinfo, getencoding
