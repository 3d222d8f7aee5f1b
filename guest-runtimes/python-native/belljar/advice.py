"""What to do about errors that have to do with where a program runs."""
import errno
import sys

NO_INPUT = "no standard input was given, or all of it was read; pass it as the stdin of the call"
NO_INSTALLER = ("this sandbox cannot install packages; the operator adds them to this machine's "
                "Python, or names another interpreter in the setting native_programs")
NO_NETWORK = "this sandbox has no network; pass the data in as a file or inside the program"
NO_SHELL = ("this is no shell: use subprocess.run(..., shell=True, capture_output=True, text=True), or "
            "the language 'bash'")

# What the system says to a program without network.
NETWORK_ERRORS = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN,
                            errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))
# How the libraries that programs use call such an error.
NETWORK_NAMES = frozenset(("gaierror", "URLError", "ConnectError", "ConnectionError",
                           "ClientConnectorError", "MaxRetryError", "NewConnectionError",
                           "NameResolutionError", "EndpointConnectionError", "SSLError"))
NETWORK_MODULES = frozenset(("socket", "urllib", "requests", "httpx", "aiohttp", "urllib3",
                             "httpcore", "botocore", "ssl", "http"))
MOST_CAUSES = 6
INSTALLERS = ("pip", "conda", "mamba", "uv", "npm", "apt")


def prepare(words):
    """Gives refusals of notebook commands the words that are true here."""
    words.installer, words.shell = NO_INSTALLER, NO_SHELL


def explain(failure):
    """Adds advice to an error that nobody has handled."""
    advice = _advice(failure)
    if advice is None:
        return
    if hasattr(failure, "add_note"):
        failure.add_note(f"Hint: {advice}.")


def _advice(failure):
    if "multiprocessing.popen_spawn_posix" in sys.modules:
        from . import children
        said = children.explain(failure)
        if said is not None:
            return None if said in str(failure) else said
    if isinstance(failure, EOFError) and "reading a line" in str(failure):
        return NO_INPUT
    if isinstance(failure, ModuleNotFoundError):
        top = (failure.name or "").partition(".")[0]
        if top and top not in sys.stdlib_module_names:
            return f"this machine's Python has no package {top!r}; {NO_INSTALLER}"
        return None
    if isinstance(failure, NameError):
        from . import notebook
        return notebook.explain(failure)
    if type(failure).__name__ == "CalledProcessError" and _installs(failure.cmd):
        return NO_INSTALLER
    one = failure
    for _ in range(MOST_CAUSES):
        if one is None:
            return None
        if _is_of_network(one):
            return NO_NETWORK
        one = one.__cause__ or one.__context__ or getattr(one, "reason", None)
        if not isinstance(one, BaseException):
            return None
    return None


def _installs(command):
    """Whether a command is one of an installer of packages."""
    words = command.split() if isinstance(command, str) else [str(word) for word in command]
    names = [word.rpartition("/")[2] for word in words[:3]]
    return any(name.startswith(INSTALLERS) for name in names) and "install" in words


def _is_of_network(failure):
    kind = type(failure)
    if isinstance(failure, OSError) and failure.errno in NETWORK_ERRORS:
        return True
    module = kind.__module__.partition(".")[0]
    if kind.__name__ in NETWORK_NAMES and module in NETWORK_MODULES:
        return True
    return isinstance(failure, PermissionError) and _came_from(failure, "socket")


def _came_from(failure, module):
    """Whether the last frame of an error is one of a module."""
    trace = failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == module
