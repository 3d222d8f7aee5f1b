# Solves puzzles with itertools and functools: magic squares, cryptarithm, zebra, change.
# stdout:
# |{'S': 9, 'E': 5, 'N': 6, 'D': 7, 'M': 1, 'O': 0, 'R': 8, 'Y': 2}
# |8 (2, 7, 6, 9, 5, 1, 4, 3, 8)
# |[{'water': 'Dana', 'milk': 'Ann', 'order': ['Dana', 'Cem', 'Ann', 'Bo']}]
# |[3, 3, 4, 4, 5, 9] [1, 1, 2, 6, 24, 120, 720, 5040]
# |[('a', 3), ('b', 2), ('c', 1), ('a', 2)] [('A', 'B', 'C'), ('D', 'E', 'F'), ('G',)] [(1, 4), (4, 9), (9, 16)]
# |[('a', 0), ('b', 1), ('-', 2)] [32, 9] ['A', 'C', 'E', 'F']
# |[1, 4, 9, 16, 25] ['C', 'd', 'e'] [0, '']
# |['aa', 'ab', 'ba', 'bb'] [('x', 'x', 'x'), ('x', 'x', 'y'), ('x', 'y', 'y'), ('y', 'y', 'y')] ['2', '2', '2', '2']
# |t ['t', 'e', 'e'] ['e', 'e'] [1, 2, 3] ['z', 'z']
# |25 427
# |[1099511627776, 2099511627776, 3099511627776] 50000 ['a', 'b', 'c']
# |[1.2.11, 1.9.3, 1.10.0] True 1.3.0 2.0.0
# |int with 40 bits 2 items, first int with 1 bits 1 items, first something: 'x' int with 1 bits something: 1.5
# |9534330 11 ('e', 'o') (3.0, 4.0) ['a', 'b']
import itertools as it
import operator
from functools import cmp_to_key, partial, partialmethod, reduce, singledispatch, total_ordering


def send_more_money():
    letters = "SENDMORY"
    for digits in it.permutations(range(10), len(letters)):
        s, e, n, d, m, o, r, y = digits
        if s == 0 or m != 1:
            continue
        if 1000 * s + 100 * e + 10 * n + d + 1000 * m + 100 * o + 10 * r + e == 10000 * m + 1000 * o + 100 * n + 10 * e + y:
            return dict(zip(letters, digits))


print(send_more_money())
squares = [p for p in it.permutations(range(1, 10)) if all(sum(p[i] for i in line) == 15 for line in ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)))]
print(len(squares), squares[0])


def houses():
    orders = list(it.permutations(range(4)))
    right = lambda a, b: a - b == 1
    next_to = lambda a, b: abs(a - b) == 1
    for red, green, blue, yellow in orders:
        if not right(green, red):
            continue
        for ann, bo, cem, dana in orders:
            if ann != red or dana != 0 or not next_to(dana, blue):
                continue
            for tea, milk, juice, water in orders:
                if tea != green or milk != 2 or juice != cem:
                    continue
                people = {ann: "Ann", bo: "Bo", cem: "Cem", dana: "Dana"}
                yield {"water": people[water], "milk": people[milk], "order": [people[i] for i in range(4)]}


print(list(houses()))
print(list(it.accumulate([3, 1, 4, 1, 5, 9], max)), list(it.accumulate(range(1, 8), operator.mul, initial=1)))
print([(k, len(list(g))) for k, g in it.groupby("aaabbcaa")], list(it.batched("ABCDEFG", 3)), list(it.pairwise([1, 4, 9, 16])))
print(list(it.zip_longest("ab", range(3), fillvalue="-")), list(it.starmap(pow, [(2, 5), (3, 2)])), list(it.compress("ABCDEF", [1, 0, 1, 0, 1, 1])))
print(list(it.takewhile(lambda n: n < 30, (a * a for a in it.count(1)))), list(it.dropwhile(str.islower, "abCde")), list(it.filterfalse(None, [0, 1, "", "x"])))
print(["".join(p) for p in it.product("ab", repeat=2)], list(it.combinations_with_replacement("xy", 3)), list(it.islice(it.cycle("12"), 1, 9, 2)))
first, second = it.tee(iter("tee"))
print(next(first), list(second), list(first), list(it.chain.from_iterable([[1], (2, 3)])), list(it.repeat("z", 2)))
print(sum(1 for a, b, c in it.combinations(range(1, 60), 3) if a * a + b * b == c * c), reduce(lambda a, b: a * 10 + b, [4, 2, 7]))
print(list(it.islice(it.count(2**40, 10**12), 3)), next(it.islice(it.count(), 5 * 10**4, None)), list(it.islice("abc", 2**40)))


@total_ordering
class Version:
    def __init__(self, text):
        self.parts = tuple(map(int, text.split(".")))

    def __eq__(self, other):
        return self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts

    def __repr__(self):
        return ".".join(map(str, self.parts))

    def bump(self, part):
        return Version(".".join(str(n + 1 if i == part else n if i < part else 0) for i, n in enumerate(self.parts)))

    major = partialmethod(bump, 0)
    minor = partialmethod(bump, 1)


versions = sorted(map(Version, ["1.10.0", "1.9.3", "1.2.11"]))
print(versions, versions[-1] >= Version("1.10.0"), versions[0].minor(), versions[0].major())


@singledispatch
def describe(value):
    return f"something: {value!r}"


@describe.register
def _(value: int):
    return f"int with {value.bit_length()} bits"


@describe.register(list)
@describe.register(tuple)
def _(value):
    return f"{len(value)} items, first {describe(value[0])}"


print(describe(10**12), describe([1, 2]), describe(("x",)), describe(True), describe(1.5))
largest = "".join(sorted(map(str, [3, 30, 34, 5, 9]), key=cmp_to_key(lambda a, b: (a + b < b + a) - (a + b > b + a))))
print(largest, partial(int, base=2)("1011"), operator.itemgetter(1, -1)("hello"), operator.attrgetter("real", "imag")(3 + 4j), operator.methodcaller("split", "-")("a-b"))
