"""What this Python does not have, and what to do instead.

Programs that reach for a process, the network or a package that is not here get an error that says so and names a way that works.
"""
import errno
import os
import sys

NO_PROCESSES = (
    "this sandbox has no processes and no shell; do the work in Python "
    "(pathlib, shutil, zipfile, tarfile, re, ...)")
NO_NETWORK = "this sandbox has no network; pass the data in as a file or inside the program"
HOST_NAME = "sandbox"
NO_INPUT = "no standard input was given, or all of it was read; pass it as the stdin of the call"
NO_INSTALLER = (
    "this sandbox cannot install packages; use the standard library, or place pure Python "
    "modules in /workspace and import them")

NO_NATIVE_CODE = "this Python cannot call native code; use struct, array and memoryview"
NO_TERMINAL = "there is no terminal"
OWN_PICTURE = "build an SVG text and show it with display(SVG(text)) from IPython.display"
OWN_IMAGE = "write SVG, or PNG with zlib and struct"
FROM_FILES = "or place its pure Python files in /workspace"

# Modules that programs often try, and what serves instead.
ALTERNATIVES = {
    "numpy": "use lists, array, math, statistics or fractions",
    "pandas": "use csv, sqlite3 (in memory: sqlite3.connect(':memory:')), collections and statistics",
    "polars": "use csv, sqlite3 and statistics",
    "duckdb": "use sqlite3",
    "pyarrow": "use csv, json or sqlite3",
    "scipy": "use math, statistics, cmath or fractions",
    "sklearn": "use statistics (linear_regression, correlation) and plain Python",
    "statsmodels": "use statistics",
    "numba": "use plain Python",
    "sympy": f"use fractions, decimal and math, {FROM_FILES}",
    "mpmath": f"use decimal and math, {FROM_FILES}",
    "gmpy2": "use int, fractions and math",
    "matplotlib": OWN_PICTURE,
    "seaborn": OWN_PICTURE,
    "plotly": OWN_PICTURE,
    "bokeh": OWN_PICTURE,
    "altair": OWN_PICTURE,
    "PIL": OWN_IMAGE,
    "cv2": OWN_IMAGE,
    "imageio": OWN_IMAGE,
    "skimage": OWN_IMAGE,
    "torch": "use plain Python",
    "tensorflow": "use plain Python",
    "xgboost": "use plain Python",
    "requests": NO_NETWORK,
    "httpx": NO_NETWORK,
    "aiohttp": NO_NETWORK,
    "urllib3": NO_NETWORK,
    "websockets": NO_NETWORK,
    "boto3": NO_NETWORK,
    "psycopg2": f"{NO_NETWORK}; use sqlite3",
    "pymongo": f"{NO_NETWORK}; use sqlite3",
    "redis": f"{NO_NETWORK}; use dict or sqlite3",
    "flask": NO_NETWORK,
    "fastapi": NO_NETWORK,
    "sqlalchemy": f"use sqlite3, {FROM_FILES}",
    "_ssl": NO_NETWORK,
    "bs4": "use html.parser or xml.etree.ElementTree",
    "lxml": "use xml.etree.ElementTree",
    "yaml": "use json or tomllib",
    "toml": "use tomllib",
    "simplejson": "use json",
    "orjson": "use json",
    "jinja2": f"use string.Template or str.format, {FROM_FILES}",
    "markdown": f"use str and re, {FROM_FILES}",
    "dateutil": f"use datetime and zoneinfo, {FROM_FILES}",
    "arrow": "use datetime and zoneinfo",
    "pytz": "use zoneinfo",
    "pydantic": "use dataclasses",
    "attr": f"use dataclasses, {FROM_FILES}",
    "openpyxl": "an .xlsx file is a zip of XML: use zipfile and xml.etree.ElementTree, or write CSV",
    "xlsxwriter": "an .xlsx file is a zip of XML: use zipfile and xml.etree.ElementTree, or write CSV",
    "docx": "a .docx file is a zip of XML: use zipfile and xml.etree.ElementTree",
    "tabulate": "use str.format",
    "rich": "use print",
    "colorama": "use print",
    "tqdm": "tell progress by belljar.progress(message, fraction)",
    "psutil": "use time.process_time and resource.getrusage",
    "pytest": "use unittest",
    "hypothesis": "use unittest and random",
    "networkx": f"use dict, collections.deque, heapq and graphlib, {FROM_FILES}",
    "sortedcontainers": f"use bisect and heapq, {FROM_FILES}",
    "regex": "use re",
    "cryptography": "use hashlib, hmac and secrets",
    "Crypto": "use hashlib, hmac and secrets",
    "bcrypt": "use hashlib.scrypt or hashlib.pbkdf2_hmac",
    "pip": NO_INSTALLER,
    "ensurepip": NO_INSTALLER,
    "setuptools": NO_INSTALLER,
    "venv": NO_INSTALLER,
    "_ctypes": NO_NATIVE_CODE,
    "cffi": NO_NATIVE_CODE,
    "mmap": "read the file in pieces instead",
    "syslog": "use logging",
    "termios": NO_TERMINAL,
    "tty": NO_TERMINAL,
    "pty": NO_TERMINAL,
    "curses": NO_TERMINAL,
    "readline": NO_TERMINAL,
    "tkinter": "there is no screen; build an SVG and show it with display()",
    "turtle": "there is no screen; build an SVG and show it with display()",
    "pygame": "there is no screen; build an SVG and show it with display()",
    "_multiprocessing": NO_PROCESSES,
    "_posixsubprocess": NO_PROCESSES,
    "_posixshmem": NO_PROCESSES,
}

# What the request of this run says: other languages and the packages that each
# has; and how much the workspace may hold.
elsewhere = None
disk_bytes = DEFAULT_DISK_BYTES = 256 << 20
disk_files = DEFAULT_DISK_FILES = 10_000
# Of a language's name no more is repeated.
LANGUAGE_CHARACTERS = 40


def begin(request):
    """Keeps what a request says about the world outside."""
    global elsewhere, disk_bytes, disk_files
    elsewhere = request.get("elsewhere")
    disk_bytes = request.get("disk_bytes", DEFAULT_DISK_BYTES)
    disk_files = request.get("disk_files", DEFAULT_DISK_FILES)


def _language_with(name):
    """The language that has a package, or None."""
    # "language: package package; language: package"
    for part in elsewhere.split(";") if isinstance(elsewhere, str) else ():
        language, _, names = part.partition(":")
        if name in names.split():
            return language.strip()[:LANGUAGE_CHARACTERS] or None
    return None


def advice(name):
    """What to do about a module that is not here, or None when nothing is known."""
    language = _language_with(name)
    known = ALTERNATIVES.get(name)
    if language is None:
        return known
    there = f'language "{language}" has it'
    return f"{there}; here {known}" if known and known != NO_INSTALLER else there


def network():
    """The error of every attempt to reach another machine."""
    return OSError(errno.ENETUNREACH, NO_NETWORK)


def processes():
    """The error of every attempt to start a program."""
    return OSError(errno.ENOTSUP, NO_PROCESSES)


def _advise_imports():
    """Adds advice to the error of an import. `importlib.util.find_spec()` asks
    without importing, and gets None."""
    import importlib._bootstrap as bootstrap

    standard = bootstrap._find_and_load_unlocked

    def _find_and_load_unlocked(name, import_):
        try:
            return standard(name, import_)
        except ModuleNotFoundError as error:
            known = advice(name) if error.name == name else None
            if known is not None:
                error.msg = f"No module named {name!r}: not in this sandbox; {known}"
                error.args = (error.msg,)
            raise

    # The interpreter leaves frames of this file out of tracebacks of imports.
    _find_and_load_unlocked.__code__ = _find_and_load_unlocked.__code__.replace(
        co_filename=standard.__code__.co_filename)
    bootstrap._find_and_load_unlocked = _find_and_load_unlocked


def explain(failure):
    """Adds advice that only makes sense once nobody has handled the error."""
    if type(failure) is EOFError and "reading a line" in str(failure):
        failure.add_note(f"Hint: {NO_INPUT}.")
    elif type(failure) is ModuleNotFoundError and "sandbox" not in str(failure):
        top = (failure.name or "").partition(".")[0]
        if top and top not in sys.stdlib_module_names:
            failure.add_note(f"Hint: {advice(top) or NO_INSTALLER}.")
    elif type(failure) is NameError:
        from . import notebook
        if known := notebook.explain(failure):
            failure.add_note(f"Hint: {known}.")
    elif isinstance(failure, OSError) and isinstance(failure.filename, str):
        path = failure.filename
        if failure.errno == errno.EPERM and failure.filename2 is not None:
            failure.add_note("Hint: links cannot be made here; copy the file with shutil.copy, or use ln in bash.")
        if path.startswith("/") and not path.startswith(("/workspace", "/tmp")):
            failure.add_note("Hint: the only folders here are /workspace and /tmp.")


def _refuse(make_error):
    def refused(*args, **kwargs):
        raise make_error()
    return refused


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


# Numbers of Linux for names that modules look at when they are imported.
SOCKET_NAMES = dict(
    AF_UNIX=3, AF_PACKET=17, SOCK_RAW=3, SOCK_SEQPACKET=5, SO_REUSEADDR=2, SO_REUSEPORT=15, SO_KEEPALIVE=9,
    SO_BROADCAST=6, SO_LINGER=13, SO_SNDBUF=7, SO_RCVBUF=8, SO_ERROR=4, SO_RCVTIMEO=20, SO_SNDTIMEO=21,
    SO_OOBINLINE=10, MSG_DONTWAIT=64, MSG_NOSIGNAL=16384, MSG_OOB=1, MSG_DONTROUTE=4, MSG_CTRUNC=8, MSG_EOR=128)
LOCALHOST = "127.0.0.1"
# Of /etc/services, what programs ask for.
SERVICES = dict(
    ftp=21, ssh=22, telnet=23, smtp=25, domain=53, http=80, pop3=110, ntp=123, imap2=143, snmp=161, ldap=389,
    https=443, submission=587, ldaps=636, imaps=993, pop3s=995, mysql=3306, postgresql=5432)
PROTOCOLS = dict(ip=0, icmp=1, tcp=6, udp=17)


def _refuse_network():
    import socket

    def gethostname():
        """The name of the machine, as the other languages see it."""
        return HOST_NAME

    def gethostbyname(hostname):
        """Answers what needs no network: this machine, and addresses."""
        if hostname in ("localhost", HOST_NAME, ""):
            return LOCALHOST if hostname else "0.0.0.0"
        try:
            return inet_ntoa(socket.inet_aton(hostname))
        except OSError:
            raise network() from None

    def inet_ntoa(packed_ip):
        """Convert an IP address from 32-bit packed binary format to string format."""
        data = bytes(packed_ip)
        if len(data) != 4:
            raise OSError("packed IP wrong length")
        return ".".join(map(str, data))

    def getservbyname(servicename, protocolname=None, /):
        """Return a port number from a service name and protocol name."""
        if servicename not in SERVICES:
            raise OSError("service/proto not found")
        return SERVICES[servicename]

    def getservbyport(port, protocolname=None, /):
        """Return the service name from a port number and protocol name."""
        for name, number in SERVICES.items():
            if number == port:
                return name
        raise OSError("port/proto not found")

    def getprotobyname(name, /):
        """Return the protocol number for the named protocol."""
        if name not in PROTOCOLS:
            raise OSError("protocol not found")
        return PROTOCOLS[name]

    for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname_ex", "gethostbyaddr",
                 "getnameinfo", "fromfd", "sethostname"):
        setattr(socket, name, _refuse(network))
    for name in ("connect", "connect_ex", "bind", "listen"):
        setattr(socket.socket, name, _refuse(network))
    for name in ("sendmsg", "recvmsg", "recvmsg_into", "sendto", "recvfrom", "recvfrom_into"):
        if not hasattr(socket.socket, name):
            setattr(socket.socket, name, _refuse(network))
    socket.socket.__init__ = _refuse(network)
    for function in (gethostname, gethostbyname, getservbyname, getservbyport, getprotobyname):
        setattr(socket, function.__name__, function)
    for name, value in dict(SOCKET_NAMES, inet_ntoa=inet_ntoa, if_nameindex=list).items():
        if not hasattr(socket, name):
            setattr(socket, name, value)


def install():
    """Puts the advice where programs will meet it."""
    _advise_imports()
    os.cpu_count = os.process_cpu_count = lambda: 1
    _refuse_processes()
    _refuse_network()
