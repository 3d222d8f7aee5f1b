"""The source lines of programs that no file holds, for tracebacks and `inspect`.

Shared by both Pythons.
"""
import ast
import inspect
import io
import linecache
import types
from collections import deque

# Cells whose source lines are kept: at most so many, and at most so many
# characters of them together.
REMEMBERED_CELLS = 200
REMEMBERED_CHARACTERS = 4_000_000

_cells = 0
_remembered = deque()
_remembered_characters = 0
_StringIO = io.StringIO
_find_file = inspect.getfile


def split(code):
    """The lines of `code` with their ends, split where Python's tokenizer does
    it: str.splitlines() would also split at form feeds and the like."""
    if code and code.isprintable():
        # No such character ends a line.
        return [code + "\n"]
    lines = code.splitlines(True)
    is_open = code[-1:] != "\n"
    if len(lines) != code.count("\n") + is_open:
        lines = list(_StringIO(code, newline=None))
    if is_open and lines:
        # As linecache does for files.
        lines[-1] += "\n"
    return lines


def remember(code):
    """Keeps the lines of `code`; returns its file name."""
    global _cells, _remembered_characters
    _cells += 1
    name = f"<cell {_cells}>"
    linecache.cache[name] = (len(code), None, split(code), name)
    _remembered.append((name, len(code)))
    _remembered_characters += len(code)
    while (len(_remembered) > REMEMBERED_CELLS
           or _remembered_characters > REMEMBERED_CHARACTERS and len(_remembered) > 1):
        oldest, characters = _remembered.popleft()
        linecache.cache.pop(oldest, None)
        _remembered_characters -= characters
    return name


def count():
    """How many programs were run."""
    return _cells


def forget():
    """Drops all cells."""
    global _cells, _remembered_characters
    linecache.cache.clear()
    _remembered.clear()
    _cells = _remembered_characters = 0


def _cell_of_class(kind):
    """The name of the cell that defines a class of `__main__`, or None."""
    members = vars(kind)
    named = {name for name, _ in _remembered}
    for member in members.values():
        member = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(member, types.FunctionType):
            code = member.__code__
            if code.co_filename in named and member.__qualname__.startswith(kind.__qualname__ + "."):
                return code.co_filename
    # Nothing in it says where it is: the last cell with such a class.
    line = members.get("__firstlineno__")
    for name, _ in reversed(_remembered):
        entry = linecache.cache.get(name)
        if entry is None:
            continue
        try:
            tree = ast.parse("".join(entry[2]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for qualname, node in _classes(tree, ""):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if qualname == kind.__qualname__ and line in (None, first):
                return name
    return None


def _classes(tree, prefix):
    """(qualified name, node) of every class in a tree."""
    for node in ast.iter_child_nodes(tree):
        inner = prefix
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            inner = f"{prefix}{node.name}."
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = f"{prefix}{node.name}.<locals>."
        yield from _classes(node, inner)


def getfile(object):
    """inspect.getfile(), which also finds the classes of cells."""
    if isinstance(object, type) and object.__module__ == "__main__":
        cell = _cell_of_class(object)
        if cell is not None:
            return cell
    return _find_file(object)


def install():
    """Makes `inspect` find what cells define."""
    getfile.__module__ = "inspect"
    inspect.getfile = getfile
