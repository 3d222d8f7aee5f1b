# An error in __del__ goes to the hook of the program, or to standard error.
# stdout: "unraisable ValueError\n"
# stderr has: Exception ignored in: <function A.__del__ at 0x
# stderr has: ValueError: in del
import sys


class A:
    def __del__(self):
        raise ValueError("in del")


a = A()
del a
sys.unraisablehook = lambda unraisable: print("unraisable", type(unraisable.exc_value).__name__)
a = A()
del a
