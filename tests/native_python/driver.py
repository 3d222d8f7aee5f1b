"""Runs one program as a run of the sandbox does, in whatever Python starts it.

    python -S -s driver.py PROGRAM REPORT [ARGUMENT ...]

The current directory stands for the workspace. The file REPORT becomes JSON:
what the last expression was, and what ended the program.
"""

import sys


def run():
    import _sitebuiltins
    import ast
    import builtins
    import inspect
    import json
    import linecache
    import os
    import types

    program, report, *arguments = sys.argv[1:]
    with open(program, encoding="utf-8", newline="") as file:
        code = file.read()
    name = os.path.join(os.getcwd(), "main.py")
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    # What the driver needs must not look like a module of the program's.
    main = types.ModuleType("__main__")
    main.__file__ = name
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.argv[:] = ["main.py", *arguments]
    sys.path[0] = ""
    # `-S` leaves out what `site` adds for programs.
    builtins.exit = _sitebuiltins.Quitter("exit", "")
    builtins.quit = _sitebuiltins.Quitter("quit", "")
    # Programs that try to start another one must not find any.
    os.environ["PATH"] = "/nonexistent"
    started_as = os.getpid()

    def value_of(part):
        # The program may be a coroutine, as a cell of a notebook.
        value = eval(part, main.__dict__)
        if part.co_flags & inspect.CO_COROUTINE:
            import asyncio

            return asyncio.run(value)
        return value

    def compiled(tree, mode):
        return compile(tree, name, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)

    def call_excepthook(failure):
        trace = failure.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        failure.__traceback__ = trace
        try:
            sys.excepthook(type(failure), failure, trace)
        except SystemExit as exit:
            return exit
        return SystemExit(1)

    outcome = {"result": "", "error": "", "value": ""}
    raised = None
    try:
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        value_of(compiled(tree, "exec"))
        value = None if last is None else value_of(compiled(ast.Expression(last.value), "eval"))
        if value is not None:
            outcome["result"] = repr(value)
    except SystemExit as error:
        raised = error
    except BaseException as error:
        outcome["error"] = type(error).__name__
        try:
            outcome["value"] = str(error)
        except Exception:
            pass  # An exception of the program's own may have no text.
        raised = SystemExit(1)
        if sys.excepthook is not sys.__excepthook__:
            raised = call_excepthook(error)
    if os.getpid() == started_as:
        with open(report, "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(outcome, file)
    if raised is not None:
        raise raised


run()
