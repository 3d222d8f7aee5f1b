# Plays a text adventure from standard input until it is won.
# stdin:
# |look
# |take lamp
# |go north
# |take gold
# |use lamp
# |take gold
# |dance
# |go west
# |inventory
# |go south
# |drop gold
# |quit?
# |score
# stdout:
# |THE CAVE
# |  a short story
# |
# |> look
# |  A hall with dusty portraits. Exits: north.
# |  You see: lamp, rope.
# |> take lamp
# |  Taken: lamp.
# |> go north
# |  It is pitch dark.
# |> take gold
# |  You grope in the dark and find nothing.
# |> use lamp
# |  The lamp is on.
# |  A cave that glitters. Exits: south, up.
# |  You see: gold.
# |> take gold
# |  Taken: gold.
# |> dance
# |  I don't know how to 'dance'. Try drop, go, inventory, look, score, take, use.
# |> go west
# |  A wall.
# |> inventory
# |  You carry gold, lamp.
# |> go south
# |  A hall with dusty portraits. Exits: north.
# |  You see: rope.
# |> drop gold
# |You carried the gold home! 11 points in 10 moves.
# |unread: ['quit?', 'score', '']
# |again? EOFError
# |11
import sys
from collections import ChainMap
from textwrap import dedent, indent


class Room:
    def __init__(self, text, exits, items=(), dark=False):
        self.text, self.exits, self.items, self.dark = text, exits, list(items), dark


class Won(Exception):
    pass


ROOMS = {
    "hall": Room("A hall with dusty portraits.", {"north": "cave"}, ["lamp", "rope"]),
    "cave": Room("A cave that glitters.", {"south": "hall", "up": "hall"}, ["gold"], dark=True),
}


class Game:
    def __init__(self):
        self.at, self.bag, self.lit, self.moves, self.points = "hall", [], False, 0, 0

    @property
    def room(self):
        return ROOMS[self.at]

    def command(self, line):
        verb, *rest = line.split()
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            known = sorted(name[3:] for name in dir(self) if name.startswith("do_"))
            return f"I don't know how to {verb!r}. Try {', '.join(known)}."
        self.moves += 1
        try:
            return action(*rest)
        except TypeError:
            return f"{verb.capitalize()} what?"

    def do_look(self):
        if self.room.dark and not self.lit:
            return "It is pitch dark."
        seen = f"\nYou see: {', '.join(self.room.items)}." if self.room.items else ""
        return f"{self.room.text} Exits: {', '.join(self.room.exits)}.{seen}"

    def do_go(self, direction):
        if direction not in self.room.exits:
            return "A wall."
        self.at = self.room.exits[direction]
        return self.do_look()

    def do_take(self, item):
        if self.room.dark and not self.lit:
            return "You grope in the dark and find nothing."
        if item not in self.room.items:
            return f"There is no {item} here."
        self.room.items.remove(item)
        self.bag.append(item)
        self.points += {"gold": 10}.get(item, 1)
        return f"Taken: {item}."

    def do_drop(self, item):
        self.bag.remove(item)
        self.room.items.append(item)
        if item == "gold" and self.at == "hall":
            raise Won("You carried the gold home!")
        return f"Dropped: {item}."

    def do_use(self, item):
        match item, item in self.bag:
            case "lamp", True:
                self.lit = not self.lit
                return f"The lamp is {'on' if self.lit else 'off'}.\n{self.do_look()}"
            case _, False:
                return f"You have no {item}."
        return "Nothing happens."

    def do_inventory(self):
        return "You carry " + (", ".join(sorted(self.bag)) or "nothing") + "."

    def do_score(self):
        return f"{self.points} points in {self.moves} moves."


game = Game()
print(dedent("""\
    THE CAVE
      a short story
    """))
try:
    for line in sys.stdin:
        print(">", line, end="")
        print(indent(game.command(line), "  "))
except Won as end:
    print(end, game.do_score())
left = sys.stdin.read().split("\n")
print("unread:", left)
try:
    input("again? ")
except EOFError as error:
    print(type(error).__name__)
print(ChainMap({"a": 1}, vars(game))["points"])
sys.exit(0 if game.points > 5 else 4)
