"""The workload that tells the compiler which paths of CPython are hot.

It does what programs in a sandbox do: plain Python with functions, objects and
containers; text, JSON and regular expressions; numbers of all kinds; small
compilations. It takes some seconds in an instrumented interpreter, and its
results depend on nothing outside.
"""
import asyncio
import base64
import bisect
import collections
import csv
import dataclasses
import datetime
import decimal
import fractions
import functools
import hashlib
import heapq
import io
import itertools
import json
import math
import operator
import random
import re
import sqlite3
import statistics
import string
import struct
import textwrap
import zlib

random.seed(1)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: float
    name: str = "p"

    def moved(self, by):
        return Point(self.x + by, self.y * by, self.name)

    @property
    def size(self):
        return math.hypot(self.x, self.y)


class Slotted:
    __slots__ = ("a", "b", "c")

    def __init__(self, a, b, c):
        self.a, self.b, self.c = a, b, c

    def __eq__(self, other):
        return self.a == other.a

    def __hash__(self):
        return hash(self.a)


def objects():
    table, total, values = {}, 0, []
    for i in range(20_000):
        item = Slotted(i, str(i), i * 0.5)
        table[item.b] = item
        values.append(item.c)
        total += len(table[item.b].b) if i % 3 == 0 else -(item.a & 7)
    values.sort(reverse=True)
    points = [Point(i % 97, i / 7).moved(3) for i in range(5_000)]
    points.sort(key=operator.attrgetter("name", "x"))
    return total + sum(p.size for p in sorted(points)) + len(set(map(hash, table.values())))


def json_regex_sort():
    data = [{"id": i, "name": f"user{i * 7919 % 1000}", "tags": ["a", "b", str(i % 13)],
             "value": i * 1.5, "none": None, "ok": i % 2 == 0} for i in range(200)]
    pattern = re.compile(r"user(\d+)")
    words = re.compile(r"\b(\w+)@(\w+)\.(com|org)\b", re.I)
    for _ in range(12):
        text = json.dumps(data)
        back = json.loads(text)
        ids = sorted(int(found) for found in pattern.findall(text))
        back.sort(key=lambda row: (row["name"], -row["value"]))
        json.dumps(back, indent=1, sort_keys=True)
        words.sub(r"\2 at \1", "mail me@here.com or You@There.org now " * 20)
    return len(ids)


def containers():
    counts = collections.Counter()
    for line in ["the quick brown fox jumps over the lazy dog"] * 1_500:
        for word in line.split():
            counts[word.upper()] += len(f"{word}:{len(word):05d}")
    groups = collections.defaultdict(list)
    for key, value in counts.items():
        groups[len(key)].append((key, value))
    queue = collections.deque(maxlen=50)
    for i in range(10_000):
        queue.append(i)
        if i % 7 == 0:
            queue.popleft()
    heap = []
    for i in range(4_000):
        heapq.heappush(heap, (i * 7919) % 1009)
    ordered = [heapq.heappop(heap) for _ in range(len(heap))]
    pairs = {(i % 50, i % 7): i for i in range(5_000)}
    return len(groups) + len(queue) + bisect.bisect(ordered, 500) + len({*pairs.values()} & set(range(999)))


def numbers():
    sieve = [True] * 60_000
    for i in range(2, 245):
        if sieve[i]:
            for j in range(i * i, len(sieve), i):
                sieve[j] = False
    size = 30
    a = [[i * j % 7 for j in range(size)] for i in range(size)]
    product = [[sum(x * y for x, y in zip(row, column)) for column in zip(*a)] for row in a]
    x, total = 0.1, 0.0
    for _ in range(60_000):
        x = 3.9 * x * (1 - x)
        total += x * x - 0.5
    big = math.factorial(600) // 3**200
    n, steps = 27, 0
    for start in range(1, 1_500):
        n = start
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
    collatz = steps
    money = sum((decimal.Decimal(i) / 7 for i in range(800)), decimal.Decimal())
    ratio = sum(fractions.Fraction(1, i) for i in range(1, 90))
    spread = statistics.pstdev(random.gauss(0, 1) for _ in range(3_000))
    return sum(sieve), product[3][4], total, len(str(big)), collatz, money, ratio > 4, spread


def generators():
    def chain(n):
        for i in range(n):
            yield from (i, -i)

    def memo():
        @functools.lru_cache(maxsize=None)
        def ways(n, k):
            return 1 if k in (0, n) else ways(n - 1, k - 1) + ways(n - 1, k)
        return ways(120, 40)

    evens = [i for i in chain(8_000) if i % 2 == 0]
    words = ["".join(p) for p in itertools.permutations("abcdef")]
    table = {w: i for i, w in enumerate(words)}
    caught = 0
    for i in range(3_000):
        try:
            if i % 3 == 0:
                raise ValueError(i)
            [].pop() if i % 3 == 1 else table["zzz"]
        except (ValueError, IndexError, KeyError) as error:
            caught += len(error.args)
    return len(evens), sum(table.values()), memo(), caught


def text():
    out = io.StringIO()
    writer = csv.writer(out)
    for i in range(1_500):
        writer.writerow([i, f"name {i}", i / 3, datetime.date(2024, 1, 1 + i % 28).isoformat()])
    rows = list(csv.DictReader(io.StringIO(out.getvalue()), fieldnames=list("abcd")))
    body = "\n".join(f"{row['a']:>6}|{row['b']:<12}|{float(row['c']):.3f}" for row in rows)
    lines = [line.strip().replace("|", ";").title() for line in body.splitlines()]
    unicode_text = "Grüße, 世界! 🎉 " * 300
    encoded = unicode_text.encode()
    counted = sum(ch in string.ascii_letters for ch in unicode_text)
    packed = b"".join(struct.pack("<IHd", i, i % 99, i / 2) for i in range(1_500))
    digest = hashlib.sha256(zlib.compress(base64.b64encode(packed + encoded))).hexdigest()
    return len(lines), counted, digest, len(textwrap.fill(body[:4_000])), unicode_text.casefold().count("grüsse")


def database():
    db = sqlite3.connect(":memory:")
    db.execute("create table t(a integer primary key, b text, c real)")
    db.executemany("insert into t values(?,?,?)", ((i, f"n{i % 20}", i / 3) for i in range(2_000)))
    return db.execute("select b, count(*), avg(c) from t group by b order by 3 desc").fetchall()[0]


def graph():
    edges = {i: [(i * 7 + 1) % 500, (i * 3 + 2) % 500, (i + 1) % 500] for i in range(500)}
    distance, queue = {0: 0}, [(0, 0)]
    while queue:
        cost, node = heapq.heappop(queue)
        for other in edges[node]:
            if cost + 1 < distance.get(other, 1 << 30):
                distance[other] = cost + 1
                heapq.heappush(queue, (cost + 1, other))

    def queens(n, row=0, columns=0, left=0, right=0):
        if row == n:
            return 1
        count = 0
        free = ~(columns | left | right) & ((1 << n) - 1)
        while free:
            bit = free & -free
            free ^= bit
            count += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
        return count

    text_a, text_b = "kitten sitting on the mat" * 3, "sitting kitten at the mall" * 3
    previous = list(range(len(text_b) + 1))
    for i, one in enumerate(text_a, 1):
        current = [i]
        for j, two in enumerate(text_b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (one != two)))
        previous = current
    return max(distance.values()), queens(7), previous[-1]


def small_programs():
    source = "import math\ndef f(a, b=2, *c, **d):\n    return [x ** b for x in a if x]\nprint\nf([1, 2])\n"
    for i in range(150):
        exec(compile(source + f"y{i} = {i} + 1", "<cell>", "exec"), {"print": print})

    async def work(i):
        await asyncio.sleep(0)
        return i

    async def main():
        return sum(await asyncio.gather(*(work(i) for i in range(200))))

    return asyncio.run(main())


fib(22)
for part in (objects, json_regex_sort, containers, numbers, generators, text, database, graph, small_programs):
    part()
