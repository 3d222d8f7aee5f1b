# The program's own hook sees the error; what it shows is not said again.
# status: exited 1
# stdout: "logged ZeroDivisionError in f, line 26\nbye\n"
# stderr:
# |Traceback (most recent call last):
# |  File "<cell 1>", line 31, in <module>
# |    f()
# |    ~^^
# |  File "<cell 1>", line 26, in f
# |    return 1 / 0
# |           ~~^~~
# |ZeroDivisionError: division by zero
# error: ZeroDivisionError
# traceback lacks: line 26
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
