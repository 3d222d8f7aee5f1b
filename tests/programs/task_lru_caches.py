# Compares caches of its own (LRU, LFU, time to live) with functools on a seeded load.
# stdout:
# |LRU       2839 hits    461 misses  86.0%
# |linked    2839 hits    461 misses  86.0%
# |LFU       3009 hits    291 misses  91.2%
# |TTL       2756 hits    544 misses  83.5%
# |CacheInfo(hits=2839, misses=461, maxsize=40, currsize=40) {'maxsize': 40, 'typed': False}
# |int float bool 3
# |CacheInfo(hits=0, misses=0, maxsize=40, currsize=0)
# |6 6 1 True
# |6 2
# |True True
# |False None ['finalized']
import functools
import random
import sys
from collections import Counter, OrderedDict, defaultdict
from weakref import WeakValueDictionary, finalize, ref


class LRU:
    def __init__(self, size):
        self.size, self.items, self.hits, self.misses = size, OrderedDict(), 0, 0

    def get(self, key, make):
        if key in self.items:
            self.hits += 1
            self.items.move_to_end(key)
            return self.items[key]
        self.misses += 1
        self.items[key] = value = make(key)
        if len(self.items) > self.size:
            self.items.popitem(last=False)
        return value


class Node:
    __slots__ = ("key", "value", "before", "after")

    def __init__(self, key=None, value=None):
        self.key, self.value, self.before, self.after = key, value, self, self


class LinkedLRU:
    def __init__(self, size):
        self.size, self.nodes, self.root, self.hits, self.misses = size, {}, Node(), 0, 0

    def _unlink(self, node):
        node.before.after, node.after.before = node.after, node.before

    def _front(self, node):
        node.before, node.after = self.root, self.root.after
        self.root.after.before = node
        self.root.after = node

    def get(self, key, make):
        if node := self.nodes.get(key):
            self.hits += 1
            self._unlink(node)
        else:
            self.misses += 1
            if len(self.nodes) == self.size:
                oldest = self.root.before
                self._unlink(oldest)
                del self.nodes[oldest.key]
            node = self.nodes[key] = Node(key, make(key))
        self._front(node)
        return node.value


class LFU:
    def __init__(self, size):
        self.size, self.values, self.uses, self.hits, self.misses = size, {}, Counter(), 0, 0

    def get(self, key, make):
        if key in self.values:
            self.hits += 1
        else:
            self.misses += 1
            if len(self.values) == self.size:
                victim = min(self.values, key=lambda k: self.uses[k])
                del self.values[victim], self.uses[victim]
            self.values[key] = make(key)
        self.uses[key] += 1
        return self.values[key]


class TTL:
    def __init__(self, seconds, clock):
        self.seconds, self.clock, self.items, self.hits, self.misses = seconds, clock, {}, 0, 0

    def get(self, key, make):
        born, value = self.items.get(key, (-sys.maxsize, None))
        if self.clock() - born < self.seconds:
            self.hits += 1
            return value
        self.misses += 1
        self.items[key] = self.clock(), make(key)
        return self.items[key][1]


rng = random.Random(12)
load = [int(rng.paretovariate(0.9)) % 200 for _ in range(3000)] + list(range(60)) * 5
now = 0


def clock():
    return now


caches = {"LRU": LRU(40), "linked": LinkedLRU(40), "LFU": LFU(40), "TTL": TTL(150, clock)}
for key in load:
    now += 1
    for cache in caches.values():
        assert cache.get(key, lambda k: k * k) == key * key
memo = functools.lru_cache(maxsize=40)(lambda k: k * k)
for key in load:
    memo(key)
for name, cache in caches.items():
    print(f"{name:<8}{cache.hits:>6} hits {cache.misses:>6} misses {cache.hits / len(load):6.1%}")
print(memo.cache_info(), memo.cache_parameters())


@functools.lru_cache(maxsize=None, typed=True)
def kind(value):
    return type(value).__name__


print(kind(1), kind(1.0), kind(True), kind.cache_info().currsize)
memo.cache_clear()
print(memo.cache_info())


class Report:
    computed = 0

    def __init__(self, rows):
        self.rows = rows

    @functools.cached_property
    def total(self):
        type(self).computed += 1
        return sum(self.rows)


report = Report([1, 2, 3])
print(report.total, report.total, Report.computed, "total" in vars(report))
del report.total
print(report.total, Report.computed)
pool = WeakValueDictionary()
pool["r"] = report
gone = []
finalize(report, gone.append, "finalized")
weak = ref(report)
print("r" in pool, weak() is report)
del report
print("r" in pool, weak(), gone)
