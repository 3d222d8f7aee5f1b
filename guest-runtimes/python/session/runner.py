"""Runs one request in `__main__` and answers with one reply.

The first run after a reset decides how fast the sandbox feels, so the common
path does little, allocates little and imports nothing.
"""
import builtins
import inspect
import io
import json
import os
import random
import sys
import tempfile
import time
import types

from _belljar_native import arm, compile_cell

# Further than asyncio's own base class for interrupts: its event loop lets a
# KeyboardInterrupt through at once instead of storing it in some task.
class ExecutionTimeout(KeyboardInterrupt):
    """A limit of this run was reached: wall time, CPU time or instructions."""


builtins.ExecutionTimeout = ExecutionTimeout
ExecutionTimeout.__module__ = "builtins"

from . import (  # noqa: E402
    api, calls, clocks, console, derive, display, ending, entropy, errors, event_loop, executors, locales, magics,
    missing, notebook, pairs, seeds, signals, source, strftime, system, threads)

WORKSPACE = "/workspace"
# Used when a request does not say.
DEFAULT_RESULT_BYTES = 64 * 1024
DEFAULT_OUTPUT_BYTES = 4 * 1024 * 1024

PLAIN_REPLY = b'{"exit_code":0,"result":null,"error":null,"outputs":[]}'

# Programs may put something else in the place of these.
_exec, _eval = exec, eval
_decode = json.JSONDecoder(strict=False).raw_decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CO_COROUTINE = inspect.CO_COROUTINE


def _main_namespace():
    module = sys.modules.get("__main__")
    if module is None:
        module = sys.modules["__main__"] = types.ModuleType("__main__")
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    # Scripts look for their own folder.
    namespace["__file__"] = WORKSPACE + "/main.py"
    return namespace


_namespace = _main_namespace()


def run(text):
    """Runs the request in the JSON `text` and returns the reply in JSON."""
    try:
        request = _begin(text)
    except BaseException:
        # What a program did to the interpreter must not cost its session.
        _repair()
        request = _begin(text)
    code = request["code"]
    limit = request.get("result_bytes", DEFAULT_RESULT_BYTES)
    last = request.get("last", False)

    exit_code = 0
    result = error = failed = None
    all_sent = False
    try:
        arm(True)
        value = _execute(code, source.remember(code))
        if value is not None:
            _namespace["_"] = value
            result = display.result(value)
            value = None
        all_sent = console.flush()
    except SystemExit as request_to_exit:
        exit_code = _exit_code(request_to_exit)
    except BaseException as failure:
        exit_code = 1
        failed = failure
        error = _report(failure, limit)
    if failed is not None:
        exit_code, error = _guarded(ending.call_excepthook, (failed, error), exit_code, error, limit)
        failed = None
    if _has_ending(last):
        exit_code, error = _guarded(ending.finish, (last, _namespace), exit_code, error, limit)
        all_sent = False
    arm(False)
    if not all_sent:
        console.end()
    outputs = display.collected()
    if result is None and error is None and not outputs and exit_code == 0:
        return PLAIN_REPLY
    reply = {"exit_code": exit_code, "result": result, "error": error, "outputs": outputs}
    return _encode(reply).encode("utf-8", "replace")


def _has_ending(last):
    try:
        return ending.is_wanted(last, _namespace)
    except Exception:
        # The program put something else in the place of a builtin.
        _repair()
        return ending.is_wanted(last, _namespace)


def _guarded(function, arguments, exit_code, error, limit):
    """Does a part of the end of a run; exit code and error after it."""
    try:
        function(*arguments)
    except SystemExit as request_to_exit:
        exit_code = _exit_code(request_to_exit)
    except BaseException as failure:
        # A limit is news even where there is an error already.
        if error is None or errors.cause(failure) == "interrupt":
            return 1, _report(failure, limit)
    return exit_code, error


def _report(failure, limit):
    try:
        return errors.report(failure, limit)
    except BaseException as second:
        arm(False)
        return errors.report_name(failure, second)


def _begin(text):
    request, _ = _decode(text)
    if request.get("fresh"):
        entropy.renew()
        clocks.begin()
    console.begin(request)
    missing.begin(request)
    if calls.in_flight:
        calls.forget()
    display.begin(request.get("result_bytes", DEFAULT_RESULT_BYTES),
                  request.get("output_bytes", DEFAULT_OUTPUT_BYTES), _show if request.get("shown") else None)
    return request


def _show(bundle):
    # What was printed before it comes before it.
    console.flush()
    api.show(bundle)


# What a program may replace and the way into a run needs, as it was.
_originals = []


def _keep_originals():
    for module in (builtins, io, os, random, tempfile, time):
        _originals.append((module.__dict__, module.__dict__.copy()))


def _repair():
    for current, original in _originals:
        current.update(original)
    console.repair()


def _execute(code, name):
    try:
        statements, expression = compile_cell(code, name)
    except SyntaxError as error:
        statements, expression = notebook.compile_cell(code, name, compile_cell, error)
    if _awaits(statements) or _awaits(expression):
        return event_loop.run(_execute_awaiting(statements, expression))
    if statements is not None:
        _exec(statements, _namespace)
    if expression is not None:
        return _eval(expression, _namespace)
    return None


def _awaits(code):
    return code is not None and code.co_flags & _CO_COROUTINE


async def _execute_awaiting(statements, expression):
    """Both parts in one coroutine: what the one starts, the other awaits."""
    value = None
    for code in (statements, expression):
        if code is not None:
            value = _eval(code, _namespace)
            if _awaits(code):
                value = await value
    return value


def _exit_code(request_to_exit):
    """What a shell would see of this SystemExit."""
    code = request_to_exit.code
    try:
        console.flush()
        if code is None:
            return 0
        if isinstance(code, int):
            return code & 0xFF
        print(code, file=sys.stderr)
    except BaseException:
        # The program replaced or broke its streams; the code still counts.
        pass
    return 1


WARM_UP = (
    "print('hi')",
    "x = 41\nx + 1",
    "import json, re, math\njson.dumps({'a': [1, 2.5, None, 'é']})",
    "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(10)",
    "[i * i for i in range(10)]",
    "class A:\n    def __init__(self):\n        self.x = 1\nA().x",
    "f'{3.14159:.2f} {\"a\":>5}'",
    "import asyncio\nasync def g():\n    await asyncio.sleep(0)\n    return 1\nawait g()",
    "async def h():\n    return await asyncio.gather(g(), g())\nasyncio.run(h())",
    "1 / 0",
    "undefined",
    "def broken(:\n  pass",
    "raise SystemExit(0)",
    "display({'a': 1})",
    "print('hi')",
)


def warm_up():
    """Fills caches before the image is taken, and removes all other traces."""
    import gc

    for part in (ending, missing, clocks, signals, system, pairs, locales, derive, threads, executors, event_loop,
                 display, magics, source, seeds, strftime):
        part.install()
    clean = dict(_namespace)
    saved = sys.stdout, sys.stderr
    for _ in range(3):
        for code in WARM_UP:
            request = {"code": code, "args": [], "env": {}, "fresh": True,
                       "result_bytes": 1 << 16, "output_bytes": 1 << 20}
            run(json.dumps(request))
    sys.stdout, sys.stderr = saved
    event_loop.forget()
    _namespace.clear()
    _namespace.update(clean)
    source.forget()
    sys.path[:] = [WORKSPACE]
    _keep_originals()
    gc.collect()
    gc.freeze()
