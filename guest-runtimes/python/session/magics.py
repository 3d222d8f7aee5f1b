"""What `get_ipython()` gives, and what the magics of notebooks do: those that
prepare a notebook nothing, a few what they say, and the rest says what to use
instead. Shared by both Pythons.
"""
import builtins
import os
import re
import shlex
import sys
import time

from . import source

# Magics that prepare a notebook for what is so here anyway.
IGNORED = frozenset((
    "matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "aimport", "config",
    "pylab", "precision", "xmode", "pprint", "colors", "automagic", "autosave", "gui", "pdb",
))
INSTALLERS = frozenset(("pip", "pip3", "conda", "mamba", "uv"))
# Magics that run commands of a shell; the rest of their line or their cell is one.
SHELLS = frozenset((
    "bash", "sh", "script", "system", "sx", "!", "!!", "sc",
    "alias", "cat", "cp", "head", "ldir", "less", "lf", "lk", "ll", "lx", "man", "mkdir", "more", "mv",
    "rehashx", "rm", "rmdir", "tail",
))
# Cell magics under which a cell runs as without.
PLAIN_CELLS = frozenset(("capture", "python", "python3", "pypy", "prun"))
TIMED_RUNS = 7
# IPython takes ten times as long over each; the figure is as good.
SECONDS_OF_TIMED_RUN = 0.02

_TIMEIT = re.compile(r"((?:-[nrp]\s*\d+\s+|-[oqctv]\s+)*)(.*)", re.DOTALL)


class _Words:
    """What advice says, which differs between the Pythons."""

    installer = ("this sandbox cannot install packages; use the standard library, or place pure "
                 "Python modules in /workspace and import them")
    shell = ("there is no shell here; do the work in Python (pathlib, shutil, zipfile, re, ...), or use "
             "the language 'bash'")


words = _Words()


def knows(magic):
    """Whether a line with a magic does something here."""
    return magic in IGNORED or hasattr(Shell, f"magic_{magic}") or magic == "time"


def knows_cell(magic):
    """Whether a cell with a magic does something here."""
    return hasattr(Shell, f"cell_{magic}")


def installs(command):
    """Whether a command of a shell is one of an installer of packages."""
    return any(word in INSTALLERS for word in str(command).split()[:3])


def refusal(magic, command="", sign="%"):
    """What a magic that does nothing here is answered with."""
    if magic in INSTALLERS or magic in SHELLS and installs(command):
        return words.installer
    advice = words.shell if magic in SHELLS else "write it in Python"
    return f"the notebook magic {sign}{magic} does not work here: {advice}"


def _duration(seconds):
    """As IPython writes a time."""
    if seconds >= 60:
        minutes, rest = divmod(seconds, 60)
        return f"{int(minutes)}min {rest:.0f}s"
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _time_it(options, setup, statement, frame):
    import timeit
    chosen = dict(re.findall(r"-([nr])\s*(\d+)", options))
    number = int(chosen["n"]) if "n" in chosen else None
    repeat = int(chosen["r"]) if "r" in chosen else TIMED_RUNS
    names = {**frame.f_globals, **frame.f_locals}
    timer = timeit.Timer(statement or "pass", setup or "pass", globals=names)
    if number is None:
        number = 1
        while timer.timeit(number) < SECONDS_OF_TIMED_RUN:
            number *= 10
    runs = [seconds / number for seconds in timer.repeat(repeat, number)]
    mean = sum(runs) / len(runs)
    deviation = (sum((run - mean) ** 2 for run in runs) / len(runs)) ** 0.5
    print(f"{_duration(mean)} ± {_duration(deviation)} per loop (mean ± std. dev. of "
          f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {number:,} loop{'s' if number > 1 else ''} each)")


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
        if magic == "time":
            frame = sys._getframe(_stack_depth)
            with self.timer():
                return eval(line, frame.f_globals, frame.f_locals)
        method = getattr(type(self), f"magic_{magic}", None)
        if method is None:
            raise RuntimeError(refusal(magic, line))
        return method(self, line)

    def run_cell_magic(self, magic, line, cell):
        """Does what a magic says about a cell, or raises what to use instead."""
        magic = magic.lstrip("%")
        if magic in PLAIN_CELLS or magic in IGNORED:
            return self._run_cell(cell)
        method = getattr(type(self), f"cell_{magic}", None)
        if method is None:
            raise RuntimeError(refusal(magic, cell, "%%"))
        return method(self, line, cell)

    def _run_cell(self, cell):
        exec(compile(cell, source.remember(cell), "exec"), sys._getframe(2).f_globals)

    def cell_time(self, line, cell):
        """Runs a cell and prints how long it took."""
        text = f"{line}\n{cell}"
        with self.timer():
            exec(compile(text, source.remember(text), "exec"), sys._getframe(2).f_globals)

    def magic(self, line):
        """The older way to run a magic."""
        magic, _, argument = line.partition(" ")
        return self.run_line_magic(magic, argument)

    def system(self, command):
        """There is no shell line; says what to use."""
        raise RuntimeError(words.installer if installs(command) else words.shell)

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
        options, statement = _TIMEIT.fullmatch(line).groups()
        _time_it(options, "pass", statement, _frame or sys._getframe(2))

    def cell_timeit(self, line, cell):
        """Times a cell; the rest of the line is what prepares it."""
        options, setup = _TIMEIT.fullmatch(f"{line} ").groups()
        _time_it(options, setup.strip(), cell, sys._getframe(2))

    def magic_cd(self, line):
        os.chdir(os.path.expanduser(line.strip() or "."))
        print(os.getcwd())

    def magic_pwd(self, line):
        return os.getcwd()

    def magic_ls(self, line):
        given = [word for word in line.split() if not word.startswith("-")]
        names = sorted(os.listdir(given[0] if given else "."))
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
