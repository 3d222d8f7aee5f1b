# A hook that shows an error in a form of its own: the reply says its place once.
# status: exited 1
# stdout:
# |  File "<cell 1>", line 16, in work
# |    raise ValueError("boom")
# |ValueError: boom
# error: ValueError
# traceback has: ValueError: boom
# traceback lacks: line 16
import sys
import traceback


def work():
    # What follows is shown.
    raise ValueError("boom")


def hook(kind, value, trace):
    traceback.print_tb(trace.tb_next, file=sys.stdout)
    print(f"{kind.__name__}: {value}")


sys.excepthook = hook
work()
