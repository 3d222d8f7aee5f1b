"""What this Python does not have, and what to do instead.

Programs that reach for a thread, a process, the network or a package that is
not here get an error that says so and names a way that works.
"""
import errno
import os
import sys

NO_THREADS = (
    "this sandbox has no threads; call the function directly, use asyncio (tasks, gather, "
    "to_thread), or concurrent.futures, whose executors run each call at once here")
NO_PROCESSES = (
    "this sandbox has no processes and no shell; do the work in Python "
    "(pathlib, shutil, zipfile, tarfile, re, ...)")
NO_NETWORK = "this sandbox has no network; pass the data in as a file or inside the program"
NO_INPUT = "no standard input was given, or all of it was read; pass it as the stdin of the call"
NO_INSTALLER = (
    "this sandbox cannot install packages; use the standard library, or place pure Python "
    "modules in /workspace and import them")

# Modules that programs often try, and what serves instead.
ALTERNATIVES = {
    "numpy": "use lists, array, math, statistics or fractions",
    "pandas": "use csv, sqlite3 (in memory: sqlite3.connect(':memory:')), collections and statistics",
    "polars": "use csv, sqlite3 and statistics",
    "scipy": "use math, statistics, cmath or fractions",
    "sklearn": "use statistics (linear_regression, correlation) and plain Python",
    "statsmodels": "use statistics",
    "sympy": "use fractions, decimal and math",
    "matplotlib": "build an SVG text and show it with display(SVG(text)) from IPython.display",
    "seaborn": "build an SVG text and show it with display(SVG(text)) from IPython.display",
    "plotly": "build an SVG text and show it with display(SVG(text)) from IPython.display",
    "PIL": "write SVG, or PNG with zlib and struct",
    "cv2": "write SVG, or PNG with zlib and struct",
    "torch": "use plain Python",
    "tensorflow": "use plain Python",
    "requests": NO_NETWORK,
    "httpx": NO_NETWORK,
    "aiohttp": NO_NETWORK,
    "urllib3": NO_NETWORK,
    "websockets": NO_NETWORK,
    "boto3": NO_NETWORK,
    "ssl": NO_NETWORK,
    "_ssl": NO_NETWORK,
    "bs4": "use html.parser or xml.etree.ElementTree",
    "lxml": "use xml.etree.ElementTree",
    "yaml": "use json or tomllib",
    "dateutil": "use datetime and zoneinfo",
    "pytz": "use zoneinfo",
    "pydantic": "use dataclasses",
    "openpyxl": "an .xlsx file is a zip of XML: use zipfile and xml.etree.ElementTree, or write CSV",
    "tabulate": "use str.format",
    "tqdm": "leave the progress bar out",
    "pytest": "use unittest",
    "networkx": "use dict, collections.deque, heapq and graphlib",
    "pip": NO_INSTALLER,
    "ensurepip": NO_INSTALLER,
    "setuptools": NO_INSTALLER,
    "venv": NO_INSTALLER,
    "ctypes": "this Python cannot call native code; use struct, array and memoryview",
    "_ctypes": "this Python cannot call native code; use struct, array and memoryview",
    "cffi": "this Python cannot call native code; use struct, array and memoryview",
    "mmap": "read the file in pieces instead",
    "fcntl": "there are no other processes to lock a file against",
    "resource": "the limits of this run are set by its host",
    "termios": "there is no terminal",
    "curses": "there is no terminal",
    "readline": "there is no terminal",
    "tkinter": "there is no screen; build an SVG and show it with display()",
    "turtle": "there is no screen; build an SVG and show it with display()",
    "pwd": "there are no users",
    "grp": "there are no users",
    "_multiprocessing": NO_PROCESSES,
    "_posixsubprocess": NO_PROCESSES,
    "_posixshmem": NO_PROCESSES,
}


def network():
    """The error of every attempt to reach another machine."""
    return OSError(errno.ENETUNREACH, NO_NETWORK)


def processes():
    """The error of every attempt to start a program."""
    return OSError(errno.ENOTSUP, NO_PROCESSES)


class _Adviser:
    """The last finder: whatever comes here does not exist."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        advice = ALTERNATIVES.get(name)
        if advice is None:
            return None
        raise ModuleNotFoundError(f"No module named {name!r}: not in this sandbox; {advice}", name=name)


def explain_syntax(error):
    """Adds advice to the SyntaxError of notebook commands."""
    line = (error.text or "").strip()
    if line.startswith(("!", "%")):
        advice = NO_INSTALLER if "pip" in line else NO_PROCESSES
        error.msg = f"{error.msg}: shell commands and notebook magics do not work; {advice}"


def explain(failure):
    """Adds advice that only makes sense once nobody has handled the error."""
    if type(failure) is EOFError and "reading a line" in str(failure):
        failure.add_note(f"Hint: {NO_INPUT}.")
    elif type(failure) is ModuleNotFoundError and "sandbox" not in str(failure):
        top = (failure.name or "").partition(".")[0]
        if top and top not in sys.stdlib_module_names:
            failure.add_note(f"Hint: {NO_INSTALLER}.")
    elif isinstance(failure, OSError) and isinstance(failure.filename, str):
        path = failure.filename
        if path.startswith("/") and not path.startswith(("/workspace", "/tmp")):
            failure.add_note("Hint: the only folder here is /workspace.")


def _refuse(make_error):
    def refused(*args, **kwargs):
        raise make_error()
    return refused


def _refuse_threads():
    import threading

    def start(self):
        raise RuntimeError("can't start new thread: " + NO_THREADS)

    threading.Thread.start = start


def _run_executors_inline():
    import concurrent.futures as futures

    class InlineExecutor(futures.Executor):
        """Runs each call when it is submitted; there are no threads."""

        def __init__(self, max_workers=None, *args, initializer=None, initargs=(), **options):
            self._max_workers = max_workers or 1
            self._closed = False
            if initializer is not None:
                initializer(*initargs)

        def submit(self, fn, /, *args, **kwargs):
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future = futures.Future()
            future.set_running_or_notify_cancel()
            try:
                future.set_result(fn(*args, **kwargs))
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                future.set_exception(error)
            return future

        def shutdown(self, wait=True, *, cancel_futures=False):
            self._closed = True

    class ThreadPoolExecutor(InlineExecutor):
        __doc__ = InlineExecutor.__doc__

    class ProcessPoolExecutor(InlineExecutor):
        __doc__ = InlineExecutor.__doc__

    for executor in (ThreadPoolExecutor, ProcessPoolExecutor):
        executor.__module__ = "concurrent.futures"
        executor.__qualname__ = executor.__name__
        setattr(futures, executor.__name__, executor)
    import concurrent.futures.thread
    concurrent.futures.thread.ThreadPoolExecutor = ThreadPoolExecutor


def _refuse_processes():
    import multiprocessing
    import multiprocessing.context
    import multiprocessing.process
    import subprocess

    subprocess.Popen.__init__ = _refuse(processes)
    subprocess.Popen.__del__ = lambda self: None
    os.system = _refuse(processes)
    os.popen = _refuse(processes)
    multiprocessing.process.BaseProcess.start = _refuse(processes)
    for name in ("Pool", "Manager", "Queue", "SimpleQueue", "JoinableQueue", "Lock", "RLock",
                 "Semaphore", "Event", "Condition", "Value", "Array", "Pipe"):
        setattr(multiprocessing.context.BaseContext, name, _refuse(processes))
        setattr(multiprocessing, name, _refuse(processes))


def _refuse_network():
    import socket
    for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname",
                 "gethostbyname_ex", "gethostbyaddr", "socketpair", "getfqdn"):
        setattr(socket, name, _refuse(network))
    socket.gethostname = lambda: "sandbox"
    for name in ("connect", "connect_ex", "bind", "listen"):
        setattr(socket.socket, name, _refuse(network))
    socket.socket.__init__ = _refuse(network)


def install():
    """Puts the advice where programs will meet it."""
    sys.meta_path.append(_Adviser)
    os.cpu_count = os.process_cpu_count = lambda: 1
    _refuse_threads()
    _run_executors_inline()
    _refuse_processes()
    _refuse_network()
