# Uses context managers for transactions, timing, redirection, cleanup and several files.
# stdout:
# |rolled back after ValueError line of block: True
# |rolled back after KeyError line of block: True
# |KeyError 'nothing' {'tea': 3}
# |deep/er ['file.txt']
# |True False
# |['c', 'b', 'a'] True ['into the file', 'not closed yet False []']
# |hello True True
# |1 False
# |3456789abcdef tmp
# |[b'abc\n'] 12
# |5 deep
# |closed service
# |<p>
# |text
# |</p>
# |'to stderr\n'
# |generator didn't yield
# |<a>
# |<b>
# |LookupError inside
# |ValueError('first') None False
# wrote: deep/er/file.txt out.txt
import contextlib
import io
import os
import sys
import tempfile
from contextlib import ExitStack, closing, contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path


class Transaction:
    def __init__(self, data):
        self.data = data

    def __enter__(self):
        self.before = dict(self.data)
        return self.data

    def __exit__(self, kind, error, traceback):
        if error is not None:
            self.data.clear()
            self.data.update(self.before)
            print("rolled back after", kind.__name__, f"line of block: {traceback.tb_lineno > 0}")
        return isinstance(error, ValueError)


stock = {"tea": 5}
with Transaction(stock) as s:
    s["tea"] -= 2
with Transaction(stock) as s:
    s["tea"] = -1
    raise ValueError("negative")
try:
    with Transaction(stock) as s:
        s["cup"] = 1
        del s["nothing"]
except KeyError as error:
    print("KeyError", error, stock)


@contextmanager
def working_in(folder):
    before = os.getcwd()
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield Path(folder)
    finally:
        os.chdir(before)


with working_in("deep/er") as folder:
    Path("file.txt").write_text("x")
    print(Path.cwd().relative_to(Path.cwd().parents[1]), os.listdir())
print(os.path.exists("deep/er/file.txt"), os.path.exists("file.txt"))

order = []
with ExitStack() as stack:
    for name in "abc":
        stack.callback(order.append, name)
    file = stack.enter_context(open("out.txt", "w"))
    stack.enter_context(redirect_stdout(file))
    print("into the file")
    kept = stack.pop_all()
print("not closed yet", file.closed, order) if not file.closed else None
kept.close()
print(order, file.closed, Path("out.txt").read_text().splitlines())

with suppress(FileNotFoundError, ZeroDivisionError):
    1 / 0
with tempfile.TemporaryDirectory(prefix="work-") as folder:
    with tempfile.NamedTemporaryFile("w+", dir=folder, suffix=".txt", delete=False) as temporary:
        temporary.write("hello")
        temporary.seek(0)
        print(temporary.read(), Path(temporary.name).parent == Path(folder), os.path.basename(folder).startswith("work-"))
    inside = os.listdir(folder)
print(len(inside), os.path.exists(folder))
with tempfile.SpooledTemporaryFile(max_size=10, mode="w+") as spool:
    spool.write("0123456789abcdef")
    spool.seek(3)
    print(spool.read(), tempfile.gettempprefix())
with tempfile.TemporaryFile() as binary:
    binary.write(b"abc\n" * 3)
    binary.seek(-4, io.SEEK_END)
    print(binary.readlines(), binary.tell())


class Service:
    def close(self):
        print("closed service")


with closing(Service()), nullcontext(5) as five, contextlib.chdir("deep"):
    print(five, os.path.basename(os.getcwd()))


@contextmanager
def tag(name):
    print(f"<{name}>")
    yield
    print(f"</{name}>")


@tag("p")
def paragraph():
    print("text")


paragraph()
errors = io.StringIO()
with contextlib.redirect_stderr(errors):
    print("to stderr", file=sys.stderr)
print(repr(errors.getvalue()))


@contextmanager
def broken():
    return
    yield


try:
    with broken():
        pass
except RuntimeError as error:
    print(error)
try:
    with tag("a"), tag("b"):
        raise LookupError("inside")
except LookupError as error:
    print("LookupError", error)
try:
    try:
        raise ValueError("first")
    finally:
        raise TypeError("second")
except TypeError as error:
    print(repr(error.__context__), error.__cause__, error.__suppress_context__)
