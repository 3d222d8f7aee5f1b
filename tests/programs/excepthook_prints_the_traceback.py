# A hook that prints the traceback and goes on: the reply says the traceback once.
# status: exited 1
# stderr has: in work
# stderr has: logged boom
# stdout: "bye\n"
# error: ValueError
# error has: boom
# traceback has: ValueError: boom
# traceback lacks: Traceback
# traceback lacks: File
import atexit
import sys
import traceback


def hook(kind, value, trace):
    traceback.print_exception(kind, value, trace)
    print("logged", value, file=sys.stderr)


def work():
    raise ValueError("boom")


sys.excepthook = hook
atexit.register(print, "bye")
work()
