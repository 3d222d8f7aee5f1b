# Functions of atexit run at the end, the last registered first; errors in them are shown.
# stdout:
# |body
# |last
# |first
# stderr has: Exception ignored in atexit callback <function bad at 0x
# stderr has: ValueError: in exit
# stderr has: SystemExit: 3
import atexit
import sys

atexit.register(print, "first")


@atexit.register
def bad():
    raise ValueError("in exit")


@atexit.register
def leave():
    sys.exit(3)


atexit.register(print, "last")
gone = atexit.register(lambda: print("never"))
atexit.unregister(gone)
print("body")
