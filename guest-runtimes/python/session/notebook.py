"""What notebooks write beside Python: magics, shell lines, prompts.

A program is only looked at here after it failed to compile, and only where it
failed, so a `%` or `!` in a valid program is never touched. What has a meaning
here is put in words of Python, on the same line; the rest is refused with what
to use instead. Shared by both Pythons.
"""
import ast
import builtins
import io
import os
import re
import shlex
import sys
import time
import tokenize

from . import source

# Magics that prepare a notebook for what is so here anyway.
IGNORED = frozenset((
    "matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "aimport", "config",
    "pylab", "precision", "xmode", "pprint", "colors", "automagic", "autosave", "gui", "pdb",
))
INSTALLERS = frozenset(("pip", "conda", "mamba", "uv"))
TIMED_RUNS = 7
# IPython takes ten times as long over each; the figure is as good.
SECONDS_OF_TIMED_RUN = 0.02
# What a cell magic says is the language of its cell, and ours for it.
LANGUAGES = {"bash": "bash", "sh": "bash", "script": "bash", "system": "bash", "!": "bash", "sx": "bash"}

_MAGIC = re.compile(r"%([A-Za-z_]\w*)[ \t]*(.*)")
_SHELL = re.compile(r"(?:!{1,2}|%sx\b|%system\b)\s*(.*)")
_ASSIGNED = re.compile(r"([A-Za-z_][\w., \t\[\]'\"]*=)\s*(?=[!%])(.*)")
_HELP = re.compile(r"\?{0,2}([A-Za-z_][\w.]*)\s*\?{1,2}|\?{1,2}([A-Za-z_][\w.]*)")
_TIMEIT = re.compile(r"((?:-[nr]\s*\d+\s+|-[oqct]\s+)*)(.*)", re.DOTALL)
_PROMPT = re.compile(r"\s*(>>>( |$)|In \[\d+\]: )")


class _Words:
    """What advice says, which differs between the Pythons."""

    installer = ("this sandbox cannot install packages; use the standard library, or place pure "
                 "Python modules in /workspace and import them")
    shell = "there is no shell here; do the work in Python (pathlib, shutil, zipfile, re, ...)"


words = _Words()


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
    assigned = _ASSIGNED.fullmatch(text)
    target, command = assigned.groups() if assigned else ("", text)
    shell = _SHELL.fullmatch(command)
    if shell:
        _refuse_shell(shell[1], name, lines, at)
    magic = _MAGIC.fullmatch(command)
    if magic:
        if magic[1] in INSTALLERS:
            _refuse(None, words.installer, name, lines, at)
        if not _knows(magic[1]):
            _refuse(f"the notebook magic %{magic[1]} does not work",
                    "write it in Python", name, lines, at)
        return f"{indent}{target} {_call(*magic.groups())}\n" if target else f"{indent}{_call(*magic.groups())}\n"
    asked = _HELP.fullmatch(text)
    if asked and "?" in text:
        _refuse("there is no IPython here", f"use help({asked[1] or asked[2]})", name, lines, at)
    return None


def _refuse_shell(command, name, lines, at):
    words_of = command.split()
    if any(word in INSTALLERS for word in words_of[:3]):
        _refuse(None, words.installer, name, lines, at)
    _refuse("shell commands do not work", words.shell, name, lines, at)


def _knows(magic):
    return magic in IGNORED or hasattr(Shell, f"magic_{magic}") or magic == "time"


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
    elif magic in ("capture", "python", "python3", "pypy", "prun") or magic in IGNORED:
        lines[first] = "pass\n"
    elif hasattr(Shell, f"cell_{magic}"):
        lines[first] = quoted
        lines[first + 1:] = ["\n"] * (len(lines) - first - 1)
    else:
        _refuse(f"the notebook magic %%{magic} does not work", "write it in Python", name, lines, first)


def _advise(error, lines):
    """Adds to a SyntaxError what a reader of the program would say."""
    text = "".join(lines)
    filled = [line for line in lines if _is_code(line)]
    advice = None
    if any(_PROMPT.match(line) for line in filled):
        advice = "remove the prompts (`>>> `, `... `, `In [1]: `) and the lines of output: send only the code"
    elif isinstance(error, IndentationError) and "unexpected indent" in str(error.msg):
        width = min(len(line) - len(line.lstrip(" \t")) for line in filled)
        at = (error.lineno or 0) - 1
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


def _duration(seconds):
    """As IPython writes a time."""
    if seconds >= 60:
        minutes, rest = divmod(seconds, 60)
        return f"{int(minutes)}min {rest:.0f}s"
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


class _Timer:
    def __enter__(self):
        self.start = time.perf_counter()

    def __exit__(self, *failure):
        print(f"Wall time: {_duration(time.perf_counter() - self.start)}")


class Shell:
    """What programs exported from notebooks ask of `get_ipython()`. It is
    false: whoever asks whether there is an IPython hears that there is none."""

    def __bool__(self):
        return False

    def __repr__(self):
        return "<no IPython here: magics that prepare a notebook, %time and %timeit work>"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"there is no IPython here, so get_ipython() has no {name!r}; "
                             "write it in Python")

    def run_line_magic(self, magic, line="", _stack_depth=1):
        """Does what a magic says, or raises what to use instead."""
        magic = magic.lstrip("%")
        if magic in IGNORED:
            return None
        if magic in INSTALLERS:
            raise RuntimeError(words.installer)
        if magic == "time":
            frame = sys._getframe(_stack_depth)
            with self.timer():
                return eval(line, frame.f_globals, frame.f_locals)
        method = getattr(type(self), f"magic_{magic}", None)
        if method is None:
            raise RuntimeError(f"the notebook magic %{magic} does not work here; write it in Python")
        return method(self, line)

    def run_cell_magic(self, magic, line, cell):
        """Does what a magic says about a cell, or raises what to use instead."""
        magic = magic.lstrip("%")
        method = getattr(type(self), f"cell_{magic}", None)
        if method is None:
            raise RuntimeError(f"the notebook magic %%{magic} does not work here; write it in Python")
        return method(self, line, cell)

    def magic(self, line):
        """The older way to run a magic."""
        magic, _, argument = line.partition(" ")
        return self.run_line_magic(magic, argument)

    def system(self, command):
        """There is no shell line; says what to use."""
        installs = any(word in INSTALLERS for word in str(command).split()[:3])
        raise RuntimeError(words.installer if installs else words.shell)

    getoutput = system_raw = system

    def timer(self):
        """A context that prints how long it took."""
        return _Timer()

    def timed(self, function):
        """Calls a function and prints how long it took."""
        with _Timer():
            return function()

    def time_rest(self):
        """Prints when the run ends how long it took from here."""
        import atexit
        atexit.register(_Timer.__exit__, timer := _Timer())
        timer.__enter__()

    def magic_timeit(self, line, _frame=None):
        """Times a statement as IPython does, in less time."""
        import timeit
        options, statement = _TIMEIT.fullmatch(line).groups()
        chosen = dict(re.findall(r"-([nr])\s*(\d+)", options))
        number = int(chosen["n"]) if "n" in chosen else None
        repeat = int(chosen["r"]) if "r" in chosen else TIMED_RUNS
        frame = _frame or sys._getframe(2)
        names = {**frame.f_globals, **frame.f_locals}
        timer = timeit.Timer(statement or "pass", globals=names)
        if number is None:
            number = 1
            while timer.timeit(number) < SECONDS_OF_TIMED_RUN:
                number *= 10
        runs = [seconds / number for seconds in timer.repeat(repeat, number)]
        mean = sum(runs) / len(runs)
        deviation = (sum((run - mean) ** 2 for run in runs) / len(runs)) ** 0.5
        print(f"{_duration(mean)} ± {_duration(deviation)} per loop (mean ± std. dev. of "
              f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {number:,} loop{'s' if number > 1 else ''} each)")

    def cell_timeit(self, line, cell):
        """Times a cell; the line is what prepares it."""
        import timeit
        frame = sys._getframe(2)
        timer = timeit.Timer(cell, line or "pass", globals={**frame.f_globals, **frame.f_locals})
        runs = [timer.timeit(1) for _ in range(TIMED_RUNS)]
        mean = sum(runs) / len(runs)
        deviation = (sum((run - mean) ** 2 for run in runs) / len(runs)) ** 0.5
        print(f"{_duration(mean)} ± {_duration(deviation)} per loop (mean ± std. dev. of "
              f"{len(runs)} runs, 1 loop each)")

    def magic_cd(self, line):
        os.chdir(os.path.expanduser(line.strip() or "."))
        print(os.getcwd())

    def magic_pwd(self, line):
        return os.getcwd()

    def magic_ls(self, line):
        names = sorted(os.listdir(line.strip() or "."))
        print("\n".join(name for name in names if not name.startswith(".")))

    def magic_env(self, line):
        name, sign, value = line.partition("=")
        if sign:
            os.environ[name.strip()] = value.strip()
            return None
        return os.environ[name.strip()] if name.strip() else dict(os.environ)

    magic_set_env = magic_env

    def magic_run(self, line):
        import runpy
        path, *arguments = shlex.split(line)
        before = sys.argv
        sys.argv = [path, *arguments]
        try:
            sys._getframe(2).f_globals.update(
                {name: value for name, value in runpy.run_path(path, run_name="__main__").items()
                 if not name.startswith("__")})
        finally:
            sys.argv = before

    def cell_writefile(self, line, cell):
        add = line.split()[:1] == ["-a"]
        path = line.split()[-1]
        with open(path, "a" if add else "w", encoding="utf-8") as file:
            file.write(cell)
        print(f"{'Appending to' if add else 'Writing'} {path}")

    cell_file = cell_writefile

    def _shown(mime):
        def show(self, line, cell):
            builtins.display({mime: cell}, raw=True)
        return show

    cell_html, cell_HTML, cell_markdown, cell_latex, cell_svg, cell_SVG = map(_shown, (
        "text/html", "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/svg+xml"))
    del _shown


_shell = Shell()


def get_ipython():
    """What there is of an IPython shell: see `Shell`."""
    return _shell


def install():
    """Makes `get_ipython` builtin, as in a notebook."""
    builtins.get_ipython = get_ipython
