# The program's own hook sees the error, which is reported once.
# differs: the reply says what `sys.__excepthook__` would print
# status: exited 1
# stdout: "logged ZeroDivisionError in f, line 17\nbye\n"
# error: ZeroDivisionError
import atexit
import sys


def hook(kind, value, trace):
    inner = trace.tb_next
    print(f"logged {kind.__name__} in {inner.tb_frame.f_code.co_name}, line {inner.tb_lineno}")
    sys.__excepthook__(kind, value, trace)


def f():
    return 1 / 0


sys.excepthook = hook
atexit.register(print, "bye")
f()
