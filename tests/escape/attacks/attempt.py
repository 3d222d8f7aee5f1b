"""Declares attempts and makes them, each in a process of its own.

Every attempt is a function that raises `OSError` when the kernel refuses,
`Held` when a call went through without the effect, and returns when it got
what it wanted. The program prints a line of JSON for each:
`{"id", "outcome"}` with the outcome `succeeded`, `held`, the name of an error
or the name of the signal that ended it.

The same program is run in three ways: in the sandbox; by the same user outside
of it, as the control that shows that an attempt works at all; and with
`"mode": "table"`, which prints what is declared.

`TARGET`, set before this text, says what there is to attack.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import stat
import struct
import sys
import time

ATTEMPTS = []

# Who started the program that makes the attempts.
RUNNER_PARENT = os.getppid()

# How long one attempt may take. None waits for anything.
PATIENCE_S = 5


class Held(Exception):
    """The call was let through, and got nothing."""


class Attempt:
    def __init__(self, name, success, expected, control, control_missing, harmless, function):
        self.name = name
        self.success = success
        self.expected = expected
        self.control = control
        self.control_missing = control_missing
        self.harmless = harmless
        self.function = function

    def declaration(self):
        fields = ("name", "success", "expected", "control", "control_missing", "harmless")
        return {field: getattr(self, field) for field in fields}


def attempt(name, success, namespaced, container, control="user", control_missing=None, harmless=None, **places):
    """Declares what is expected with namespaces and without them.

    `A or B` is for where a setting of the kernel decides which check is first.
    `control` is `user` or `root`: whose attempt succeeds without the sandbox.
    Otherwise it says why there is none. `control_missing` is the error on a
    machine that has not got the thing, or whose root may not do it either. `harmless` says why it may succeed
    where `succeeded` is expected. `places` are what single places expect.
    """
    expected = {"namespaced": namespaced, "container": container, **places}

    def declare(function):
        ATTEMPTS.append(Attempt(name, success, expected, control, control_missing, harmless, function))
        return function

    return declare


class Target:
    """What an attempt is made against: files of its own, so that none finds
    what another has changed, and processes and sockets of all."""

    def __init__(self, name):
        self.directory = os.path.join(TARGET["files"], name)
        self.secret = os.path.join(self.directory, "secret")
        # In the workspace, with a name that no other attempt uses.
        self.own = name.replace(".", "-")

    def __getattr__(self, name):
        return TARGET[name]

    def warden(self):
        return RUNNER_PARENT


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
AT_FDCWD = -100


def syscall(number, *arguments):
    """Calls the kernel. Numbers are those of x86-64."""
    ctypes.set_errno(0)
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *converted)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def text(path):
    return os.fsencode(path)


def read(path, size=65536):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def find_secret(data):
    if TARGET["secret"].encode() not in data:
        raise Held("the secret is not in it")


def make_own(path, content=b"own", mode=0o600):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    os.write(descriptor, content)
    return descriptor


def outcome_of(function, name):
    try:
        function(Target(name))
    except Held as held:
        return {"outcome": "held", "detail": str(held)}
    except OSError as error:
        if error.errno is None:
            return {"outcome": "held", "detail": str(error)}
        return {"outcome": errno.errorcode.get(error.errno, str(error.errno))}
    except Exception as error:
        return {"outcome": "broken", "detail": f"{type(error).__name__}: {error}"}
    return {"outcome": "succeeded"}


def make(item):
    """Makes an attempt in a process of its own and gives what came of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        if TARGET["mode"] == "root":
            isolate_control()
        os.write(writing, json.dumps(outcome_of(item.function, item.name)).encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], PATIENCE_S)
    report = os.read(reading, 4096) if ready else b""
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if report:
        return json.loads(report)
    if not ready:
        return {"outcome": "endless"}
    if os.WIFSIGNALED(status):
        return {"outcome": signal.Signals(os.WTERMSIG(status)).name}
    return {"outcome": f"exited {os.WEXITSTATUS(status)}"}


def isolate_control():
    """What root changes as a control, it changes for itself."""
    new_mounts, new_uts, new_ipc = 0x20000, 0x4000000, 0x8000000
    syscall(272, new_mounts | new_uts | new_ipc)
    private, recursive = 1 << 18, 1 << 14
    syscall(165, None, b"/", None, private | recursive, None)


def main():
    if TARGET["mode"] == "table":
        for item in ATTEMPTS:
            print(json.dumps(item.declaration()))
        return
    for item in ATTEMPTS:
        if TARGET["mode"] in ("user", "root") and item.control != TARGET["mode"]:
            continue
        print(json.dumps({"id": item.name, **make(item)}), flush=True)
    print(json.dumps({"id": "end", "outcome": "end"}), flush=True)
