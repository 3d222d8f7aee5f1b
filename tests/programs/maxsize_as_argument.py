# sys.maxsize as "no limit": every function that programs give it to takes it.
# stdout:
# |9223372036854775807 True -9223372036854775808 63 7fffffffffffffff True
# |1709769600456 -1709856000123 9.223372036854776e+18 9223372036
# |a True
# |['a', 'b', 'c'] ['a', 'b', 'c'] bbb 5 1 [b'a', b'b']
# |['a', 'b'] bb ('bb', 2) (1, 2)
# |['a', 'b', 'c'] ['b', 'd', 'f'] 1 9223372036854775807 [('a', 0), ('b', 1)]
# |['a', 'b'] True CacheInfo(hits=0, misses=0, maxsize=9223372036854775807, currsize=0) [1, 3] [3, 1] [('a', 2), ('b', 1)]
# |[1, 2, 3] (1, 2) bc range(2, 10) 1 (0, 5, 1) 2
# |5 9223372036854775807 True False 9223372037
# |abc b'abc' ['a\n', 'b'] abc
# |1164115433906158532 1087608058291172412 7018639715332314491 [4355693531291048099, 3501332431411006491] True
# |7fffffffffffffff 9223372036854775807 9223372036854775807 9223372036854775807 a b
# |(9223372036854775807, 'integer') [(1,), (2,)] [(1,)]
# |too large
# |too large
# |too large
# |no such index
# |no such index
# |no such index
# |no such index
import array
import bisect
import collections
import csv
import functools
import heapq
import io
import itertools
import json
import queue
import random
import re
import sqlite3
import struct
import sys
import textwrap

M = sys.maxsize
print(M, M == 2**63 - 1, -M - 1, M.bit_length(), f"{M:x}", M + 1 - 1 == M)
print(min([1709856000123, 1709769600456, M]), max(-M, -1709856000123), float(M), M // 10**9)
csv.field_size_limit(M)
print(next(csv.reader(["a," + "b" * 200_000]))[0], csv.field_size_limit() > 10**8)
print("a b c".split(None, M), "a,b,c".rsplit(",", M), "aaa".replace("a", "b", M), "abcabc".find("c", 3, M), "abc".count("b", 0, M), b"a b".split(b" ", M))
print(re.split(",", "a,b", maxsplit=M), re.sub("a", "b", "aa", count=M), re.subn("a", "b", "aa", count=M), re.compile("b").search("abc", 0, M).span())
print(list(itertools.islice("abc", M)), list(itertools.islice("abcdef", 1, M, 2)), next(itertools.repeat(1, M)), next(itertools.count(M)), [*zip("ab", range(M))])
print(list(collections.deque("ab", M)), queue.Queue(M).maxsize == M, functools.lru_cache(M)(len).cache_info(), heapq.nsmallest(M, [3, 1]), heapq.nlargest(M, [3, 1]), collections.Counter("aab").most_common(M))
print([1, 2, 3][:M], (1, 2)[-M:], "abc"[1:M], range(10)[2:M], [1, 2].index(2, 0, M), slice(M).indices(5), bisect.bisect([1, 2, 3], 2))
print(range(M)[5], len(range(M)), range(M)[-1] == M - 1, M in range(M), len(range(0, M, 10**9)))
print(io.StringIO("abc").read(M), io.BytesIO(b"abc").read(M), io.StringIO("a\nb").readlines(M), io.StringIO("abc").readline(M))
random.seed(1)
print(random.randint(0, M), random.randrange(M), random.choice(range(M)), random.sample(range(M), 2), random.getrandbits(63) <= M)
print(struct.pack(">q", M).hex(), array.array("q", [M])[0], json.loads(json.dumps(M)), int.from_bytes(M.to_bytes(8)), textwrap.fill("a b", M))
db = sqlite3.connect(":memory:")
print(db.execute("SELECT ?, typeof(?)", (M, M)).fetchone(), db.execute("SELECT 1 UNION SELECT 2 LIMIT ?", (M,)).fetchall(), db.execute("SELECT 1").fetchmany(10_000))
for attempt in (lambda: "a" * M, lambda: [0] * M, lambda: bytes(M), lambda: [1][M], lambda: [1, 2][-M], lambda: collections.deque("a")[M], lambda: [1].pop(M)):
    try:
        attempt()
    except (MemoryError, OverflowError):
        print("too large")
    except IndexError:
        print("no such index")
