# Runs a vending machine and a traffic light as state machines with enums and tables.
# stdout:
# |insert 100    credit 1.00
# |select water  IllegalMove: water needs 25 more
# |insert 25     credit 1.25
# |select water  water, change [] 0
# |insert 5      IllegalMove: cannot insert while serving
# |taken  None   None
# |insert 5      ValueError: 5 is not a valid Coin
# |insert 100    credit 1.00
# |insert 100    credit 2.00
# |select water  IllegalMove: no water left
# |select tea    tea, change ['QUARTER', 'QUARTER'] 0
# |taken  None   None
# |insert 10     credit 0.10
# |refund None   refund 10
# |paid-select->serving
# |serving-taken->idle
# |idle-insert->paid
# |paid-refund->idle
# |Counter({'tea': 1})
# |dime (10c) 25 <Coin.DOLLAR: 100> 15 [<State.IDLE: 'idle'>, <State.PAID: 'paid'>, <State.SERVING: 'serving'>, <State.BROKEN: 'broken'>]     paid True
# |Features.LIGHT|CARD True Features.COOLING Features.NONE False 2 Features.COOLING Features.LIGHT|CARD
# |invalid enum 'Broken': missing values 2
# |7 is not a valid Coin
# |EARTH 9.82 m/s2
# |MARS  3.73 m/s2
# |['green', 'green', 'green', 'yellow', 'red', 'red', 'green', 'green'] switched off
from collections import Counter, deque
from enum import Enum, Flag, IntEnum, StrEnum, auto, unique, verify, CONTINUOUS


class State(StrEnum):
    IDLE = auto()
    PAID = auto()
    SERVING = auto()
    BROKEN = auto()


@unique
class Coin(IntEnum):
    DIME = 10
    QUARTER = 25
    DOLLAR = 100

    @property
    def label(self):
        return f"{self.name.lower()} ({self.value}c)"


class Features(Flag):
    NONE = 0
    LIGHT = auto()
    COOLING = auto()
    CARD = auto()
    ALL = LIGHT | COOLING | CARD


class IllegalMove(Exception):
    pass


class Machine:
    MOVES = {
        (State.IDLE, "insert"): State.PAID,
        (State.PAID, "insert"): State.PAID,
        (State.PAID, "select"): State.SERVING,
        (State.PAID, "refund"): State.IDLE,
        (State.SERVING, "taken"): State.IDLE,
    }

    def __init__(self, stock):
        self.state = State.IDLE
        self.stock = Counter(stock)
        self.prices = {"water": 125, "tea": 150}
        self.credit = 0
        self.history = deque(maxlen=4)

    def do(self, event, value=None):
        target = self.MOVES.get((self.state, event))
        if target is None:
            raise IllegalMove(f"cannot {event} while {self.state}")
        result = getattr(self, f"on_{event}", lambda _: None)(value)
        self.history.append(f"{self.state}-{event}->{target}")
        self.state = target
        return result

    def on_insert(self, value):
        self.credit += Coin(value)
        return f"credit {self.credit / 100:.2f}"

    def on_select(self, item):
        if not self.stock[item]:
            raise IllegalMove(f"no {item} left")
        if self.credit < self.prices[item]:
            raise IllegalMove(f"{item} needs {self.prices[item] - self.credit} more")
        self.stock[item] -= 1
        change, self.credit = self.credit - self.prices[item], 0
        coins = []
        for coin in sorted(Coin, reverse=True):
            count, change = divmod(change, coin)
            coins += [coin.name] * count
        return f"{item}, change {coins} {change}"

    def on_refund(self, _):
        back, self.credit = self.credit, 0
        return f"refund {back}"


machine = Machine({"water": 1, "tea": 2})
for event, value in [("insert", 100), ("select", "water"), ("insert", 25), ("select", "water"), ("insert", 5), ("taken", None), ("insert", 5), ("insert", 100), ("insert", 100), ("select", "water"), ("select", "tea"), ("taken", None), ("insert", 10), ("refund", None)]:
    try:
        print(f"{event:<7}{value!s:<6} {machine.do(event, value)}")
    except (IllegalMove, ValueError) as error:
        print(f"{event:<7}{value!s:<6} {type(error).__name__}: {error}")
print(*machine.history, +machine.stock, sep="\n")
print(Coin.DIME.label, Coin(25), repr(Coin["DOLLAR"]), Coin.DIME + 5, list(State), f"{State.PAID:>8}", State("idle") is State.IDLE)
wanted = Features.LIGHT | Features.CARD
print(wanted, Features.CARD in wanted, ~wanted, wanted & Features.COOLING, bool(Features.NONE), len(wanted), Features.ALL ^ wanted, Features(5))
try:

    @verify(CONTINUOUS)
    class Broken(Enum):
        A = 1
        C = 3

except ValueError as error:
    print(error)
try:
    Coin(7)
except ValueError as error:
    print(error)
Planet = Enum("Planet", {"EARTH": (5.97e24, 6.37e6), "MARS": (6.42e23, 3.39e6)})
for planet in Planet:
    mass, radius = planet.value
    print(f"{planet.name:<6}{6.674e-11 * mass / radius**2:.2f} m/s2")


def light():
    while True:
        for colour, seconds in (("green", 3), ("yellow", 1), ("red", 2)):
            for _ in range(seconds):
                command = yield colour
                if command == "stop":
                    return "switched off"


lights = light()
shown = [next(lights) for _ in range(8)]
try:
    lights.send("stop")
except StopIteration as end:
    print(shown, end.value)
