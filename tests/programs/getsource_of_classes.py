# Source of classes and functions of the program.
# stdout:
# |class Plain:
# |    value = 1
# |
# |@dataclasses.dataclass
# |class Point:
# |    x: int
# |
# |    class Inner:
# |        def f(self):
# |            return 1
# |
# |@keep
# |def decorated():
# |    return 2
# |
# |        class Local:
# |            z = 3
# |
import dataclasses
import functools
import inspect


class Plain:
    value = 1


@dataclasses.dataclass
class Point:
    x: int


class Outer:
    class Inner:
        def f(self):
            return 1


def keep(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


@keep
def decorated():
    return 2


def make():
    if True:
        class Local:
            z = 3
    return Local


for each in (Plain, Point, Outer.Inner, decorated, make()):
    print(inspect.getsource(each))
