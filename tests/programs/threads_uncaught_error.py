# An error in a thread is shown with its lines, and the main program goes on.
# differs: the traceback has only lines of the program
# stdout: "main goes on\n"
# stderr:
# |Exception in thread T:
# |Traceback (most recent call last):
# |  File "<cell 1>", line 28, in bad
# |    inner(0)
# |    ~~~~~^^^
# |  File "<cell 1>", line 24, in inner
# |    return 1 / x
# |           ~~^~~
# |ZeroDivisionError: division by zero
import threading
import time

assert threading.excepthook is threading.__excepthook__




def inner(x):
    time.sleep(0.01)
    return 1 / x


def bad():
    inner(0)


t = threading.Thread(target=bad, name="T")
t.start()
t.join()
print("main goes on")
