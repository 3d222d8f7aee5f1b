# Tracks a board of cards through events, with limits, metrics, a burndown and a printed board.
# file events.jsonl:
# |{"at": "2026-03-02T09:00", "do": "add", "card": "Login page", "points": 5}
# |{"at": "2026-03-02T09:05", "do": "add", "card": "Fix typo", "points": 1, "owner": "bo"}
# |{"at": "2026-03-02T09:10", "do": "add", "card": "Export to CSV with all the columns", "points": 3}
# |{"at": "2026-03-02T10:00", "do": "move", "card": 1, "to": "doing"}
# |{"at": "2026-03-02T11:30", "do": "move", "card": 2, "to": "doing"}
# |{"at": "2026-03-02T11:45", "do": "move", "card": 3, "to": "doing"}
# |{"at": "2026-03-02T12:00", "do": "move", "card": 2, "to": "done"}
# |{"at": "2026-03-03T09:00", "do": "move", "card": 3, "to": "doing"}
# |{"at": "2026-03-04T16:20", "do": "move", "card": 1, "to": "review"}
# |{"at": "2026-03-05T08:00", "do": "move", "card": 1, "to": "done"}
# |{"at": "2026-03-05T08:01", "do": "move", "card": 9, "to": "done"}
# |{"at": "2026-03-05T08:02", "do": "fly", "card": 1}
# |not json
# stdout:
# |line 6: doing is full (2), 'Export to CSV with all the columns' waits
# |line 11: no card 9
# |line 12: cannot fly
# |line 13: Expecting value: line 1 column 1 (char 0)
# |┌────────────────────┬────────────────────┬────────────────────┬────────────────────┐
# |│        TODO        │       DOING        │       REVIEW       │        DONE        │
# |├────────────────────┼────────────────────┼────────────────────┼────────────────────┤
# |│                    │ #3 Export to CSV   │                    │ #1 Login page (5)  │
# |│                    │ with all the       │                    │ #2 Fix typo (1)    │
# |│                    │ columns (3)        │                    │                    │
# |└────────────────────┴────────────────────┴────────────────────┴────────────────────┘
# |#1 nobody  {'todo': '1:00:00', 'doing': '2 days, 6:20:00', 'review': '15:40:00'}
# |#2 bo      {'todo': '2:25:00', 'doing': '0:30:00'}
# |#3 nobody  {'todo': '23:50:00', 'doing': '1 day, 23:02:00'}
# |cycle time: mean 36.96 h, max 71.00 h, throughput 2
# |Mon 02.03. ■■■■■■■■· 8
# |Tue 03.03. ■■■■■■■■· 8
# |Wed 04.03. ■■■■■■■■· 8
# |Thu 05.03. ■■■······ 3
import json
import statistics
import textwrap
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from operator import attrgetter
from pathlib import Path

COLUMNS = {"todo": None, "doing": 2, "review": 1, "done": None}


class BoardError(Exception):
    pass


@dataclass
class Card:
    number: int
    title: str
    points: int
    owner: str = "nobody"
    moves: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def column(self):
        return self.moves[-1][1]

    def time_in(self, column, now):
        total = timedelta()
        for (start, name), (end, _) in zip(self.moves, [*self.moves[1:], (now, "")]):
            if name == column:
                total += end - start
        return total


class Board:
    def __init__(self):
        self.cards, self.errors, self.now = {}, [], datetime.min

    def apply(self, event):
        self.now = datetime.fromisoformat(event["at"])
        handler = getattr(self, "on_" + event["do"], None)
        if handler is None:
            raise BoardError(f"cannot {event['do']}")
        handler(**{k: v for k, v in event.items() if k not in ("at", "do")})

    def on_add(self, card, points, **more):
        number = len(self.cards) + 1
        self.cards[number] = Card(number, card, points, moves=[(self.now, "todo")], **more)

    def on_move(self, card, to):
        if card not in self.cards:
            raise BoardError(f"no card {card}")
        limit = COLUMNS[to]
        if limit is not None and len(self.column(to)) >= limit:
            raise BoardError(f"{to} is full ({limit}), {self.cards[card].title!r} waits")
        self.cards[card].moves.append((self.now, to))

    def column(self, name):
        return sorted((c for c in self.cards.values() if c.column == name), key=attrgetter("points"), reverse=True)


board = Board()
for number, line in enumerate(Path("events.jsonl").read_text().splitlines(), 1):
    try:
        board.apply(json.loads(line))
    except json.JSONDecodeError as error:
        board.errors.append(f"line {number}: {error}")
    except BoardError as error:
        board.errors.append(f"line {number}: {error}")
print(*board.errors, sep="\n")
WIDTH = 18
cells = {name: [line for c in board.column(name) for line in textwrap.wrap(f"#{c.number} {c.title} ({c.points})", WIDTH)] for name in COLUMNS}
print("┌" + "┬".join("─" * (WIDTH + 2) for _ in cells) + "┐")
print("│" + "│".join(f" {name.upper():^{WIDTH}} " for name in cells) + "│")
print("├" + "┼".join("─" * (WIDTH + 2) for _ in cells) + "┤")
for row in zip_longest(*cells.values(), fillvalue=""):
    print("│" + "│".join(f" {text:<{WIDTH}} " for text in row) + "│")
print("└" + "┴".join("─" * (WIDTH + 2) for _ in cells) + "┘")
for card in board.cards.values():
    times = {name: str(t) for name in COLUMNS if name != "done" and (t := card.time_in(name, board.now))}
    print(f"#{card.number} {card.owner:<7} {times}")
cycle = [(c.moves[-1][0] - c.moves[0][0]) / timedelta(hours=1) for c in board.cards.values() if c.column == "done"]
print(f"cycle time: mean {statistics.fmean(cycle):.2f} h, max {max(cycle):.2f} h, throughput {Counter(c.column for c in board.cards.values())['done']}")
left = defaultdict(int)
day = datetime(2026, 3, 2)
while day <= board.now:
    end = day + timedelta(days=1)
    left[day.date()] = sum(c.points for c in board.cards.values() if c.moves[0][0] < end and not any(name == "done" and at < end for at, name in c.moves))
    day = end
for date, points in left.items():
    print(f"{date:%a %d.%m.} {'■' * points}{'·' * (9 - points)} {points}")
