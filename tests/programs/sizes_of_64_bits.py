# sys.maxsize is that of a machine with 64 bits, and works wherever a size is wanted.
# stdout:
# |True
# |1709769600456
# |['a', 'b', 'c'] ['b', 'd', 'f'] []
# |deque(['a', 'b', 'c'], maxlen=9223372036854775807) 1000000000000
# |['a', 'b', 'c'] ['a', 'b', 'c'] [b'a', b'b']
# |ayby b'ayby'
# |bbb ['a', 'aca'] 2
# |b'abc' ['a\n', 'b']
# |bc [1, 2, 3] 1 2 2
# |[0, 1, 2, 3] repeat(1, 1000000000000) 1000000000000
# |(0, 10, 1)
# |True True
# |'hello\nworld\n'
# |['hello\n', 'world\n'] ''
# |b'hello\nworld\n'
import collections
import csv
import functools
import io
import itertools
import operator
import os
import re
import sys

print(sys.maxsize == 2**63 - 1)
best = sys.maxsize
for stamp in [1709856000123, 1709769600456]:
    best = min(best, stamp)
print(best)

M = sys.maxsize
print(list(itertools.islice("abc", M)), list(itertools.islice("abcdef", 1, M, 2)), list(itertools.islice("abc", 10**12, None)))
print(collections.deque("abc", maxlen=M), collections.deque("abc", 10**12).maxlen)
print("a b c".split(None, M), "a-b-c".rsplit("-", M), b"a b".split(None, M))
print("aXbX".replace("X", "y", M), b"aXbX".replace(b"X", b"y", M))
print(re.sub("a", "b", "aaa", count=M), re.split("b", "abaca", maxsplit=M), re.compile("a").match("aa", 0, M).endpos)
print(io.BytesIO(b"abc").read(M), io.StringIO("a\nb").readlines(M))
print("abc"[1:M], [1, 2, 3][-M:M], [1, 2, 3].index(2, 0, M), (1, 2, 3).index(3, 0, M), "abc".find("c", 0, M))
items = [1, 2]
items.insert(M, 3)
items.insert(-M, 0)
print(items, itertools.repeat(1, 10**12), operator.length_hint(itertools.repeat(1, 10**12)))
print(slice(0, M).indices(10))
csv.field_size_limit(M)
print(csv.field_size_limit() == M, functools.lru_cache(maxsize=M)(abs).cache_info().maxsize == M)
with open("/tmp/text", "w") as file:
    file.write("hello\nworld\n")
with open("/tmp/text") as file:
    print(repr(file.read(M)))
with open("/tmp/text") as file:
    print(file.readlines(M), repr(file.read(10**9)))
with open("/tmp/text", "rb") as file:
    print(file.read(10**9))
os.remove("/tmp/text")
