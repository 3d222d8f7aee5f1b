# Builds lazy pipelines: windows, coroutines, merging streams, moving averages, trees, async streams.
# stdout:
# |['4.093', '4.410', '6.721', '5.958', '6.910']
# |[10.0, 15.0, 21.0] 21.0 5.0 GEN_SUSPENDED
# |GEN_CLOSED
# |{0: 4.0, 1: 7.0, 2: 2000.0}
# |['root', 'a', 'a1', 'a2', 'b'] [['root'], ['a', 'b'], ['a1', 'a2']] ['b', 'a2'] True 5 root
# |[1, 2, 3, 4, 5]
# |[1, 'done']
# |0 1
# |['open', 'closed'] [1, 2, 3, 4, 5, 6, 7] [0, 2, 4, 6]
# |[(1, 2), (3, 4), (5, 6)] end ['a', 'b', 'c']
# |empty
# |generator raised StopIteration StopIteration('no')
# |[3, 2, 1] ['xx', 'y'] 5050 {'a': 2, 'b': 1}
# |([0, 1, 4, 9], 'ticker closed', [0, 1, 2], 0, 'default')
# |0 [1, 2, 3, 4] 5 1 2 [3, 4] 5 [(1, 0), (2, 0), (2, 1)] {'a': 3, 'b': 2} ((1, 2), 3, {'z': 4}) [5, 25] {0: 'a', 1: 'b'}
import asyncio
import inspect
from collections import deque
from collections.abc import Iterator
from contextlib import aclosing, closing
from functools import reduce
from heapq import merge
from itertools import chain, count, islice, tee


def window(values, size):
    window_ = deque(maxlen=size)
    for value in values:
        window_.append(value)
        if len(window_) == size:
            yield tuple(window_)


def readings(seed=7):
    state = seed
    while True:
        state = (state * 1103515245 + 12345) % 2**31
        yield state / 2**31 * 10


def averager():
    total, number, average = 0.0, 0, None
    while True:
        try:
            value = yield average
        except ValueError:
            total, number = 0.0, 0
            continue
        total += value
        number += 1
        average = total / number


print([f"{sum(w) / 3:.3f}" for w in islice(window(readings(), 3), 5)])
average = averager()
next(average)
print([average.send(v) for v in (10, 20, 33)], average.throw(ValueError), average.send(5), inspect.getgeneratorstate(average))
average.close()
print(inspect.getgeneratorstate(average))


def compose(*stages):
    return lambda source: reduce(lambda stream, stage: stage(stream), stages, source)


def numbers(lines):
    for line in lines:
        try:
            yield float(line)
        except ValueError:
            yield from ()


pipeline = compose(numbers, lambda s: (x * 2 for x in s), lambda s: filter(lambda x: x > 3, s), enumerate, dict)
print(pipeline("1 x 2 3.5 y 1e3".split()))


class Tree:
    def __init__(self, value, *children):
        self.value, self.children = value, children

    def __iter__(self) -> Iterator:
        yield self.value
        for child in self.children:
            yield from child

    def levels(self):
        level = [self]
        while level:
            yield [node.value for node in level]
            level = [*chain.from_iterable(node.children for node in level)]

    def __reversed__(self):
        return reversed([*self])

    def __contains__(self, value):
        return any(value == v for v in self)

    def __len__(self):
        return sum(1 for _ in self)


tree = Tree("root", Tree("a", Tree("a1"), Tree("a2")), Tree("b"))
print(list(tree), list(tree.levels()), [*reversed(tree)][:2], "b" in tree, len(tree), max(tree))


def flatten(items):
    for item in items:
        if isinstance(item, (list, tuple)):
            got = yield from flatten(item)
        else:
            yield item
    return "done"


print([*flatten([1, [2, (3, [4])], 5])])


def delegate():
    result = yield from flatten([1])
    yield result


print(list(delegate()))
log = []


def resource():
    log.append("open")
    try:
        yield from count()
    finally:
        log.append("closed")


with closing(resource()) as values:
    print(next(values), next(values))
print(log, list(merge([1, 4, 7], (2, 5), iter([3, 6]), key=None)), [a + b for a, b in zip(*tee(range(4)))])
iterator = iter([1, 2, 3, 4, 5, 6])
print([*zip(iterator, iterator)], next(iterator, "end"), [*iter(lambda it=iter("abc"): next(it, None), None)])
try:
    next(x for x in [])
except StopIteration:
    print("empty")


def broken():
    yield 1
    raise StopIteration("no")


try:
    list(broken())
except RuntimeError as error:
    print(error, repr(error.__cause__))


class Countdown:
    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if self.left <= 0:
            raise StopIteration
        self.left -= 1
        return self.left + 1

    def __length_hint__(self):
        return self.left


print(list(Countdown(3)), [*map(lambda a, b: a * b, Countdown(2), "xy")], sum(Countdown(100)), dict(zip("ab", Countdown(2))))


async def ticker(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            yield i
    finally:
        log.append("ticker closed")


async def squares(stream):
    async for value in stream:
        yield value * value


async def main():
    async with aclosing(ticker(100)) as stream:
        first = [value async for value in squares(ticker(4))]
        async for value in stream:
            if value == 2:
                break
    queue = asyncio.Queue()
    await asyncio.gather(*(queue.put(n) for n in range(3)))
    return first, log[-1], [queue.get_nowait() for _ in range(3)], await anext(aiter(ticker(1))), await anext(ticker(0), "default")


print(asyncio.run(main()))
first, *middle, last = range(6)
(a, (b, *c)), d = (1, (2, 3, 4)), 5
print(first, middle, last, a, b, c, d, [(x, y) for x in range(3) for y in range(x) if x != y], {**{"a": 1}, "b": 2} | {"a": 3}, (lambda *a, k=1, **kw: (a, k, kw))(1, 2, k=3, z=4), [y := 5, y**2], {n: s for n, s in enumerate("ab")})
