# Rebuilds an order system from events, with snapshots, projections, idempotency and an audit trail.
# stdout:
# |A {'tea': 2, 'cup': 1} shipped 19.99 of 19.99 v 8
# |B {'pot': 1} paid 30,000,000.00 of 30,000,000.00 v 7
# |C {} cancelled 0.00 of 0.00 v 10
# |[(9, 'A: shipped -> cancelled')]
# |line 6 was changed
# |0 1772323200000 {}
# |20 1772324400000 {'A': ('new', 3), 'B': ('new', 1)}
# |40 1772325600000 {'A': ('new', 3), 'B': ('new', 1)}
# |60 1772326800000 {'A': ('shipped', 3), 'B': ('paid', 1)}
# |100 1772329200000 {'A': ('shipped', 3), 'B': ('paid', 1), 'C': ('cancelled', 0)}
# |1772323620000 True 63.0
# |['001 added', '? x', '? 5'] (1772324460000, 'added', 'Z') ('sequence', 'at', 'kind', 'key', 'data') Event(sequence=1, at=2, kind='k', key='v', data={})
# |{'added': ['A', 'B'], 'removed': ['A'], 'paid': ['A', 'B'], 'shipped': ['A'], 'cancelled': ['A', 'C']} [('added', 3), ('paid', 3)] 1 7
# wrote: events.log
import hashlib
import json
import operator
import sys
from bisect import bisect_right
from collections import Counter, UserDict, UserList, defaultdict, namedtuple
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import singledispatchmethod
from pathlib import Path

Event = namedtuple("Event", "sequence at kind key data", defaults=({},))
START = datetime(2026, 3, 1, tzinfo=timezone.utc)


class Log(UserList):
    def append(self, kind, key, **data):
        sequence = len(self) + 1
        super().append(Event(sequence, int((START + timedelta(minutes=7 * sequence)).timestamp() * 1000), kind, key, data))

    def save(self, path):
        digest = ""
        with open(path, "w") as file:
            for event in self:
                line = json.dumps(event._asdict(), sort_keys=True)
                digest = hashlib.sha256((digest + line).encode()).hexdigest()
                file.write(f"{digest[:16]} {line}\n")

    @classmethod
    def load(cls, path):
        log, digest = cls(), ""
        for number, text in enumerate(Path(path).read_text().splitlines(), 1):
            mark, line = text.split(" ", 1)
            digest = hashlib.sha256((digest + line).encode()).hexdigest()
            if digest[:16] != mark:
                raise ValueError(f"line {number} was changed")
            log.data.append(Event(**json.loads(line)))
        return log


@dataclass
class Order:
    key: str
    lines: Counter = field(default_factory=Counter)
    state: str = "new"
    paid: int = 0
    version: int = 0

    TRANSITIONS = {"new": {"paid", "cancelled"}, "paid": {"shipped", "refunded"}, "shipped": set()}

    def total(self, prices):
        return sum(prices[item] * n for item, n in self.lines.items())

    def move(self, state):
        if state not in self.TRANSITIONS.get(self.state, ()):
            raise RuntimeError(f"{self.key}: {self.state} -> {state}")
        self.state = state


class Orders(UserDict):
    prices = {"tea": 350, "cup": 1_299, "pot": 3_000_000_000}

    def __missing__(self, key):
        self[key] = Order(key)
        return self[key]

    def apply(self, event):
        order = self[event.key]
        getattr(self, f"when_{event.kind}")(order, **event.data)
        order.version = event.sequence

    def when_added(self, order, item, count=1):
        order.lines[item] += count

    def when_removed(self, order, item):
        order.lines -= Counter([item])

    def when_paid(self, order, cents):
        order.paid += cents
        if order.paid >= order.total(self.prices):
            order.move("paid")

    def when_shipped(self, order):
        order.move("shipped")

    def when_cancelled(self, order):
        order.move("cancelled")


log = Log()
log.append("added", "A", item="tea", count=3)
log.append("added", "B", item="pot")
log.append("added", "A", item="cup")
log.append("removed", "A", item="tea")
log.append("paid", "A", cents=1_000)
log.append("paid", "A", cents=999)
log.append("paid", "B", cents=3_000_000_000)
log.append("shipped", "A")
log.append("cancelled", "A")
log.append("cancelled", "C")
log.save("events.log")
orders, refused = Orders(), []
for event in Log.load("events.log"):
    try:
        orders.apply(event)
    except RuntimeError as error:
        refused.append((event.sequence, str(error)))
for order in orders.values():
    print(order.key, dict(order.lines), order.state, f"{order.paid / 100:,.2f} of {order.total(orders.prices) / 100:,.2f}", "v", order.version)
print(refused)
text = Path("events.log").read_text()
Path("events.log").write_text(text.replace('"cents": 999', '"cents": 9'))
try:
    Log.load("events.log")
except ValueError as error:
    print(error)


def at(moment):
    state = Orders()
    for event in log[: bisect_right(log, moment, key=operator.attrgetter("at"))]:
        try:
            state.apply(event)
        except RuntimeError:
            pass
    return {k: (o.state, sum(o.lines.values())) for k, o in state.items()}


for minutes in (0, 20, 40, 60, 100):
    moment = int((START + timedelta(minutes=minutes)).timestamp() * 1000)
    print(minutes, moment, at(moment))
first = sys.maxsize
for event in log:
    first = min(first, event.at)
print(first, log[0].at == first, (log[-1].at - first) / 60_000)


class Auditor:
    def __init__(self):
        self.lines = []

    @singledispatchmethod
    def note(self, value):
        self.lines.append(f"? {value}")

    @note.register
    def _(self, value: Event):
        self.lines.append(f"{value.sequence:03d} {value.kind}")

    @note.register
    def _(self, value: dict):
        for key in value:
            self.note(key)


auditor = Auditor()
for value in (log[0], {"x": 1}, 5):
    auditor.note(value)
print(auditor.lines, log[2]._replace(key="Z")[1:4], Event._fields, Event(1, 2, "k", "v"))
index = defaultdict(set)
for event in log:
    index[event.kind].add(event.key)
print({k: sorted(v) for k, v in index.items()}, Counter(e.kind for e in log).most_common(2), sorted(log, key=operator.attrgetter("key", "kind"))[0].sequence, operator.countOf((e.key for e in log), "A"))
