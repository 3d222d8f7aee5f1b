# Analyses a graph of friends: components, cycles, ranks, colouring, flows, set algebra, bloom filter.
# stdout:
# |[['ann', 'bo', 'cem', 'dana'], ['elif', 'farid', 'greta'], ['hugo']]
# |{'ann': 2, 'bo': 2, 'cem': 3, 'dana': 1, 'elif': 1, 'farid': 2, 'greta': 1, 'hugo': 1} [['ann', 'bo', 'cem']]
# |{'ann': 0, 'bo': 1, 'cem': 1, 'dana': 2} 2
# |{'b': '0.379903', 'home': '0.359062', 'a': '0.188746', 'c': '0.036145', 'sink': '0.036145'} 1.000000000
# |[[1, 2, 3], [5, 6], [4], [7]]
# |{'SA': 0, 'NSW': 1, 'NT': 1, 'QLD': 2, 'VIC': 2, 'WA': 2, 'TAS': 0}
# |4000000009
# |[3, 5, 7, 11] [2] [1, 2, 9] False True True [1, 2, 3]
# |8 True [[], ['a'], ['a', 'b'], ['a', 'b', 'c']] True {1, 2}
# |unhashable type: 'list'
# |True 19 257 0.0174
# |[True, True, False, True, True, True, False] [1, 3, 4]
import hashlib
import math
from collections import defaultdict, deque
from functools import reduce
from itertools import combinations

EDGES = [("ann", "bo"), ("bo", "cem"), ("cem", "ann"), ("cem", "dana"), ("elif", "farid"), ("farid", "greta"), ("hugo", "hugo")]
friends = defaultdict(set)
for a, b in EDGES:
    friends[a].add(b)
    friends[b].add(a)


def components(graph):
    left = set(graph)
    while left:
        stack, found = [min(left)], set()
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                stack.extend(graph[node])
        left -= found
        yield sorted(found)


print(list(components(friends)))
print({name: len(others) for name, others in sorted(friends.items())}, [sorted(t) for t in combinations(sorted(friends), 3) if all(b in friends[a] for a, b in combinations(t, 2))])


def distances(graph, start):
    seen, queue = {start: 0}, deque([start])
    while queue:
        node = queue.popleft()
        for other in sorted(graph[node]):
            if other not in seen:
                seen[other] = seen[node] + 1
                queue.append(other)
    return seen


print(distances(friends, "ann"), max(distances(friends, "elif").values()))
LINKS = {"home": ["a", "b"], "a": ["b"], "b": ["home"], "c": ["b"], "sink": []}


def rank(links, damping=0.85, rounds=60):
    n = len(links)
    score = dict.fromkeys(links, 1 / n)
    for _ in range(rounds):
        loose = sum(score[p] for p in links if not links[p]) / n
        score = {p: (1 - damping) / n + damping * (loose + math.fsum(score[q] / len(links[q]) for q in links if p in links[q])) for p in links}
    return score


print({page: f"{score:.6f}" for page, score in sorted(rank(LINKS).items(), key=lambda s: -s[1])}, f"{sum(rank(LINKS).values()):.9f}")


def tarjan(graph):
    index, low, stack, out, counter = {}, {}, [], [], iter(range(10**9))

    def visit(node):
        index[node] = low[node] = next(counter)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while True:
                part.append(stack.pop())
                if part[-1] == node:
                    break
            out.append(sorted(part))

    for node in graph:
        if node not in index:
            visit(node)
    return out


print(tarjan({1: [2], 2: [3], 3: [1], 4: [3, 5], 5: [6], 6: [5], 7: [7]}))


def colour(graph):
    colours = {}
    for node in sorted(graph, key=lambda n: (-len(graph[n]), n)):
        used = {colours.get(other) for other in graph[node]}
        colours[node] = next(c for c in range(len(graph)) if c not in used)
    return colours


STATES = {"WA": "NT SA", "NT": "WA SA QLD", "SA": "WA NT QLD NSW VIC", "QLD": "NT SA NSW", "NSW": "QLD SA VIC", "VIC": "SA NSW", "TAS": ""}
print(colour({k: v.split() for k, v in STATES.items()}))


def max_flow(capacity, source, sink):
    flow, left = 0, {a: dict(b) for a, b in capacity.items()}
    while True:
        previous, queue = {source: None}, deque([source])
        while queue and sink not in previous:
            node = queue.popleft()
            for other, room in left.get(node, {}).items():
                if room > 0 and other not in previous:
                    previous[other] = node
                    queue.append(other)
        if sink not in previous:
            return flow
        path, node = [], sink
        while previous[node] is not None:
            path.append((previous[node], node))
            node = previous[node]
        step = min(left[a][b] for a, b in path)
        for a, b in path:
            left[a][b] -= step
            left.setdefault(b, {})
            left[b][a] = left[b].get(a, 0) + step
        flow += step


print(max_flow({"s": {"a": 10_000_000_000, "b": 10}, "a": {"b": 2, "t": 4_000_000_000}, "b": {"t": 9}}, "s", "t"))
primes = {2, 3, 5, 7, 11}
odd = set(range(1, 12, 2))
print(sorted(primes & odd), sorted(primes - odd), sorted(primes ^ odd), primes <= odd, {3, 5} < primes, primes.isdisjoint({4}), sorted(reduce(set.union, [{1}, {2}, {1, 3}])))
power = [set(c) for n in range(4) for c in combinations("abc", n)]
print(len(power), frozenset("ab") in {frozenset("ba")}, sorted(map(sorted, power))[:4], {*()} == set(), {1: "a"}.keys() | {2})
try:
    {[1]}
except TypeError as error:
    print(error)


class Bloom:
    def __init__(self, size, hashes):
        self.bits, self.size, self.hashes = 0, size, hashes

    def places(self, word):
        digest = hashlib.md5(word.encode(), usedforsecurity=False).digest()
        return {int.from_bytes(digest[i * 4 : i * 4 + 4]) % self.size for i in range(self.hashes)}

    def add(self, word):
        for place in self.places(word):
            self.bits |= 1 << place

    def __contains__(self, word):
        return all(self.bits >> place & 1 for place in self.places(word))


bloom = Bloom(1000, 3)
for n in range(100):
    bloom.add(f"user{n}")
wrong = sum(f"other{n}" in bloom for n in range(1000))
print(all(f"user{n}" in bloom for n in range(100)), wrong, bloom.bits.bit_count(), f"{(1 - math.exp(-3 * 100 / 1000)) ** 3:.4f}")


class UnionFind:
    def __init__(self):
        self.parent, self.size = {}, {}

    def find(self, x):
        self.parent.setdefault(x, x)
        self.size.setdefault(x, 1)
        root = x
        while self.parent[root] != root:
            root = self.parent[root]
        while self.parent[x] != root:
            self.parent[x], x = root, self.parent[x]
        return root

    def union(self, a, b):
        a, b = self.find(a), self.find(b)
        if a == b:
            return False
        if self.size[a] < self.size[b]:
            a, b = b, a
        self.parent[b] = a
        self.size[a] += self.size[b]
        return True


union = UnionFind()
print([union.union(a, b) for a, b in EDGES], sorted(union.size[r] for r in {union.find(x) for x in union.parent}))
