# Models states with enumerations and pattern matching.
# stdout:
# |red [<Color.RED: 'red'>, <Color.BLUE: 'blue'>] Access.READ|WRITE Access.READ HIGH
# |['move 1,2', 'stop 2', 'number 2', '?']
from enum import Enum, Flag, IntEnum, StrEnum, auto


class Color(StrEnum):
    RED = auto()
    BLUE = auto()


class Access(Flag):
    READ = 1
    WRITE = 2


class Level(IntEnum):
    LOW = 1
    HIGH = 3


def describe(command):
    match command:
        case {"op": "move", "by": [x, y]}:
            return f"move {x},{y}"
        case ["stop" | "halt", *rest]:
            return f"stop {len(rest)}"
        case int(n) if n > Level.LOW:
            return f"number {n}"
        case _:
            return "?"


print(Color("red"), list(Color), Access.READ | Access.WRITE, Access(3) & Access.READ, max(Level).name)
print([describe(c) for c in ({"op": "move", "by": [1, 2]}, ["halt", 1, 2], 2, None)])
