"""What notebooks write beside Python: magics, shell lines, prompts.

A program is only looked at here after it failed to compile, and only where it
failed, so a `%` or `!` in a valid program is never touched. What has a meaning
here is put in words of Python, on the same line; the rest is refused with what
to use instead. Shared by both Pythons.
"""
import ast
import io
import linecache
import re
import tokenize

from . import magics, source
from .magics import words

_MAGIC = re.compile(r"%([A-Za-z_]\w*)[ \t]*(.*)")
_SHELL = re.compile(r"(?:!{1,2}|%sx\b|%system\b)\s*(.*)")
_ASSIGNED = re.compile(r"([A-Za-z_][\w., \t\[\]'\"]*=)\s*(?=[!%])(.*)")
_HELP = re.compile(r"\?{0,2}([A-Za-z_][\w.]*)\s*\?{1,2}|\?{1,2}([A-Za-z_][\w.]*)")
_PROMPT = re.compile(r"\s*(>>>( |$)|In \[\d+\]: )")
_NAMED_PROMPT = re.compile(r"\s*(In|Out) ?\[\d+\]:")
_PROMPT_NAMES = (("name 'In' is not defined",), ("name 'Out' is not defined",))
_SHELL_PROMPT = re.compile(r"\s*([\w.-]+@[\w.-]+[^$#]*)?\$( |$)")
# What is typed into a shell or a cell to install a package.
_INSTALL = re.compile(r"\s*(sudo\s+)?(python3?\s+-m\s+)?(pip3?|conda|mamba|uv(\s+pip)?)\s+install\b")
# What a cell magic says is the language of its cell, and ours for it.
LANGUAGES = {"bash": "bash", "sh": "bash", "script": "bash", "system": "bash", "!": "bash", "sx": "bash"}

PROMPTS = "remove the prompts (`>>> `, `... `, `In [1]: `) and the lines of output: send only the code"


def compile_cell(code, name, compiled, error):
    """What `compiled(code, name)` gives for a program for which it raised
    `error`, once its notebook commands are in words of Python."""
    lines = source.split(code)
    try:
        return _rewritten(lines, name, compiled, error)
    except SyntaxError as error:
        _advise(error, lines)
        # The failed attempts before are no news.
        error.__suppress_context__ = True
        raise


def parse(lines, name):
    """The tree of a program with notebook commands; None when it has none."""
    def compiled(code, name):
        return ast.parse(code, name)
    try:
        return compiled("".join(lines), name)
    except SyntaxError as error:
        try:
            return _rewritten(list(lines), name, compiled, error)
        except SyntaxError:
            return None


def _is_code(line):
    text = line.strip()
    return text and not text.startswith("#")


def _rewritten(lines, name, compiled, error):
    first = next((n for n, line in enumerate(lines) if _is_code(line)), 0)
    if lines and lines[first].startswith("%%"):
        _rewrite_cell(lines, first, name)
        try:
            return compiled("".join(lines), name)
        except SyntaxError as another:
            error = another
    for _ in range(len(lines)):
        at = (error.lineno or 0) - 1
        if not 0 <= at < len(lines) or not _begins_statement(lines, at):
            raise error
        line = _rewrite_line(lines, at, name)
        if line is None or line == lines[at]:
            raise error
        lines[at] = line
        try:
            return compiled("".join(lines), name)
        except SyntaxError as another:
            error = another
    raise error


def _begins_statement(lines, at):
    """Whether line `at` is not inside of what an earlier line began."""
    before = "".join(lines[:at])
    if before.endswith("\\\n"):
        return False
    try:
        for _ in tokenize.generate_tokens(io.StringIO(before).readline):
            pass
    except tokenize.TokenError as error:
        return "multi-line" not in str(error) and "unterminated" not in str(error)
    except SyntaxError:
        pass
    return True


def _refuse(what, advice, name, lines, at):
    line = lines[at].rstrip("\n")
    column = len(line) - len(line.lstrip()) + 1
    raise SyntaxError(f"{what}: {advice}" if what else advice, (name, at + 1, column, line, at + 1, len(line) + 1))


def _rewrite_line(lines, at, name):
    """The line in Python, or None when it is no notebook command."""
    text = lines[at].strip()
    indent = lines[at][:len(lines[at]) - len(lines[at].lstrip())]
    if text.startswith("%%"):
        _refuse(f"{text.split()[0]} is in the middle of the program",
                "a cell with such a first line is a program of its own, so send it as one", name, lines, at)
    assigned = _ASSIGNED.fullmatch(text)
    target, command = assigned.groups() if assigned else ("", text)
    shell = _SHELL.fullmatch(command)
    if shell:
        if magics.installs(shell[1]):
            _refuse(None, words.installer, name, lines, at)
        _refuse("shell commands do not work", words.shell, name, lines, at)
    magic = _MAGIC.fullmatch(command)
    if magic:
        if not magics.knows(magic[1]):
            _refuse(None, magics.refusal(*magic.groups()), name, lines, at)
        return f"{indent}{target} {_call(*magic.groups())}\n" if target else f"{indent}{_call(*magic.groups())}\n"
    asked = _HELP.fullmatch(text)
    if asked and "?" in text:
        _refuse("there is no IPython here", f"use help({asked[1] or asked[2]})", name, lines, at)
    return None


def _call(magic, argument):
    """A line magic as an expression or, for %time, as a statement."""
    if magic != "time":
        return f"get_ipython().run_line_magic({magic!r}, {argument!r})"
    try:
        ast.parse(argument.strip(), mode="eval")
    except SyntaxError:
        return f"with get_ipython().timer(): {argument or 'pass'}"
    return f"get_ipython().timed(lambda: ({argument}))"


def _rewrite_cell(lines, first, name):
    """Puts a cell with a `%%magic` in its first line in words of Python."""
    head = lines[first].strip()[2:]
    magic, _, argument = head.partition(" ")
    body = "".join(lines[first + 1:])
    quoted = f"get_ipython().run_cell_magic({magic!r}, {argument.strip()!r}, {body!r})\n"
    if magic in LANGUAGES:
        _refuse(f"%%{magic} does not work", f"run this text with the language {LANGUAGES[magic]!r}",
                name, lines, first)
    elif magic == "time":
        # The timer stands before the cell and is read when the run ends.
        lines[first] = "get_ipython().time_rest()\n"
        if argument.strip():
            lines[first] = f"get_ipython().time_rest(); {argument.strip()}\n"
    elif magic in magics.PLAIN_CELLS or magic in magics.IGNORED:
        lines[first] = "pass\n"
    elif magics.knows_cell(magic):
        lines[first] = quoted
        lines[first + 1:] = ["\n"] * (len(lines) - first - 1)
    else:
        _refuse(None, magics.refusal(magic, body, "%%"), name, lines, first)


def _advise(error, lines):
    """Adds to a SyntaxError what a reader of the program would say."""
    text = "".join(lines)
    filled = [line for line in lines if _is_code(line)]
    advice = None
    at = (error.lineno or 0) - 1
    failed = lines[at] if 0 <= at < len(lines) else ""
    if any(_PROMPT.match(line) for line in filled):
        advice = PROMPTS
    elif _SHELL_PROMPT.match(failed):
        advice = f"`$ ` is the prompt of a shell: {words.shell}"
    elif _INSTALL.match(failed):
        advice = words.installer
    elif isinstance(error, IndentationError) and "unexpected indent" in str(error.msg):
        width = min(len(line) - len(line.lstrip(" \t")) for line in filled)
        if width:
            unit = "tab" if filled[0][0] == "\t" else "space"
            advice = (f"the whole program is indented by {width} {unit}{'s' if width > 1 else ''}: "
                      "remove that from every line")
        elif filled and 0 <= at < len(lines) and lines[at] is not filled[0] \
                and not filled[0][0].isspace() and all(line[0].isspace() for line in filled[1:]):
            advice = "all lines but the first are indented: remove that from every line"
    elif "```" in text and any(line.lstrip().startswith("```") for line in filled):
        advice = "remove the Markdown fence (```): send only the code"
    if advice and advice not in str(error.msg):
        error.msg = f"{error.msg}: {advice}"
        error.args = (error.msg, *error.args[1:])


def explain(failure):
    """Advice about a NameError of what is Python by chance: `In [1]: x = 1` states
    the type of a member. None where there is nothing to say."""
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or failure.args[:1] not in _PROMPT_NAMES:
        return None
    line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    return PROMPTS if _NAMED_PROMPT.match(line) else None
