# A hook that prints a line, and the traceback to a file only: the reply has both.
# status: exited 1
# stderr: "fatal: boom, see crash.log\n"
# error: ValueError
# traceback has: raise ValueError("boom")
# wrote: crash.log
import sys
import traceback


def hook(kind, value, trace):
    with open("crash.log", "w") as file:
        traceback.print_exception(kind, value, trace, file=file)
    print(f"fatal: {value}, see crash.log", file=sys.stderr)


sys.excepthook = hook
raise ValueError("boom")
