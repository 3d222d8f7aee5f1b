# A hook that exits decides the exit code.
# status: exited 7
# stdout: "logged\nbye\n"
# error: ValueError
import atexit
import sys


def hook(*args):
    print("logged")
    sys.exit(7)


atexit.register(print, "bye")
sys.excepthook = hook
raise ValueError("v")
