"""Runs one request, whose file the command line names, and answers on
descriptor 3. What the program prints goes to the standard streams as ever.
"""
import ast
import builtins
import inspect
import json
import os
import signal
import sys
import types

from . import display, errors, forks, late, source

FOLDER = os.path.dirname(os.path.abspath(__file__))
REPLY = 3
# When a request does not say.
OUTPUT_BYTES = 4 * 1024 * 1024


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    reply = os.dup(REPLY)
    os.close(REPLY)
    os.set_inheritable(reply, False)
    code, limit = request["code"], request["result_bytes"]
    request_path = sys.argv[1]
    begin(request)
    forks.begin(reply, interrupt)
    late.begin(request_path, sys.argv[0])
    exit_code, result, error = 0, None, None
    try:
        signal.signal(signal.SIGTERM, interrupt)
        try:
            module = sys.modules["__main__"] = types.ModuleType("__main__")
            module.__file__ = sys.argv[0]
            value = execute(code, module)
            if forks.is_child():
                sys.exit()
            if value is not None:
                result = display.result(value)
        finally:
            late.is_over = True
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        show_figures()
        flush()
    except SystemExit as request_to_exit:
        if forks.is_child():
            raise
        exit_code = exit_code_of(request_to_exit)
        show_figures()
    except BaseException as failure:
        if forks.is_child():
            forks.show(failure, FOLDER)
            sys.exit(1)
        exit_code, error = 1, errors.report(failure, limit, FOLDER)
        try:
            call_excepthook(failure, error)
        except SystemExit as request_to_exit:
            exit_code = exit_code_of(request_to_exit)
    outputs = display.collected()
    text = json.dumps({"exit_code": exit_code, "result": result, "error": error, "outputs": outputs})
    data = memoryview(text.encode())
    while data:
        data = data[os.write(reply, data):]
    os.close(reply)
    flush()
    sys.exit(exit_code)


def begin(request):
    """What a program expects to find when it starts."""
    display.begin(request["result_bytes"], request.get("output_bytes", OUTPUT_BYTES),
                  show if request.get("shown") else None)
    sys.argv = [os.path.join(os.getcwd(), "main.py"), *request.get("args", ())]
    sys.path.insert(0, os.getcwd())
    builtins.display = display.display
    builtins.ExecutionTimeout = errors.ExecutionTimeout
    builtins.get_ipython = get_ipython
    source.install()
    if sys.version_info < (3, 13):
        sys.excepthook = sys.__excepthook__ = excepthook
    late.CHANGES.update(late.OF_THE_PROGRAM)
    os.environ.setdefault("MPLBACKEND", "module://belljar.plots")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")


def show(bundle):
    """Has an output seen while the run goes on, after what was printed before it."""
    from . import api
    flush()
    api.show(bundle)


def interrupt(number, frame):
    raise errors.ExecutionTimeout("a limit of this run was reached, or it was cancelled")


def excepthook(kind, failure, trace, /):
    """The standard hook, which knows the lines of the program only since 3.13."""
    import traceback
    traceback.print_exception(kind, failure, trace)


def get_ipython():
    """What there is of an IPython shell."""
    from . import advice, magics
    advice.prepare(magics.words)
    return magics.get_ipython()


def compiled(code, name):
    """The code of the statements, and of a last expression or None."""
    # Not ast.parse(), whose frame a traceback would show.
    tree = compile(code, name, "exec", ast.PyCF_ONLY_AST)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return (compile(tree, name, "exec", flags=flags),
            compile(last, name, "eval", flags=flags) if last else None)


def execute(code, module):
    """Runs the statements in a module, and gives the value of a last expression."""
    code = code.removeprefix("\ufeff")
    name = source.remember(code)
    try:
        statements, expression = compiled(code, name)
    except SyntaxError as error:
        from . import advice, notebook
        advice.prepare(notebook.words)
        statements, expression = notebook.compile_cell(code, name, compiled, error)
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    if any(code and code.co_flags & inspect.CO_COROUTINE for code in (statements, expression)):
        import asyncio
        return asyncio.run(execute_awaiting(statements, expression, namespace))
    exec(statements, namespace)
    return eval(expression, namespace) if expression else None


async def execute_awaiting(statements, expression, namespace):
    value = None
    for code in (statements, expression):
        if code is not None:
            value = eval(code, namespace)
            if code.co_flags & inspect.CO_COROUTINE:
                value = await value
    return value


def call_excepthook(failure, error):
    """Shows an error by the hook of the program, if it has one, and takes out of
    the reply's `error` what that shows."""
    hook = sys.excepthook
    if hook is sys.__excepthook__ or hook is None or isinstance(failure, errors.ExecutionTimeout):
        return
    from . import hooks
    watch = hooks.Watch((sys.__stdout__, sys.__stderr__))
    try:
        with watch:
            hook(type(failure), failure, failure.__traceback__)
    except SystemExit:
        raise
    except BaseException as second:
        import traceback
        text = traceback.format_exception(type(second), second, errors.own_frames(second.__traceback__, FOLDER))
        print("Error in sys.excepthook:", "".join(text), sep="\n", file=sys.stderr)
    finally:
        watch.shorten(error, failure)


def show_figures():
    if "matplotlib.pyplot" in sys.modules:
        plots = sys.modules.get("belljar.plots")
        if plots is not None:
            plots.show_rest()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The program closed or replaced it.
            pass


def exit_code_of(request_to_exit):
    """What a shell would see of this SystemExit."""
    code = request_to_exit.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        print(code, file=sys.stderr)
    except BaseException:
        pass
    return 1

