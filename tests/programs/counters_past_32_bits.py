# Counting goes on beyond 32 bits.
# stdout:
# |[(3000000000, 'a'), (3000000001, 'b')] [(2147483646, 'a'), (2147483647, 'b'), (2147483648, 'c'), (2147483649, 'd')]
# |[2147483646, 2147483647, 2147483648, 2147483649] [1099511627776, 1108101562369]
# |[6, 0, 1, 2, 3, 4, 5] [1, 2, 3, 4, 5, 6, 0] [5, 6, 0, 1, 2, 3, 4] [5, 6, 0, 1, 2, 3, 4] [1, 2, 3, 4, 5, 6, 0]
# |[2, 1, 2, 1, 2]
# |Python int too large to convert to C ssize_t
# |Python int too large to convert to C ssize_t
import collections
import itertools


def turned(by):
    ring = collections.deque(range(7))
    ring.rotate(by)
    return list(ring)


print(list(enumerate("ab", start=3 * 10**9)), list(enumerate("abcd", start=2**31 - 2)))
print(list(itertools.islice(itertools.count(2**31 - 2), 4)), list(itertools.islice(itertools.count(2**40, 2**33 + 1), 2)))
print(turned(10**12), turned(-(10**12)), turned(2**31), turned(811589153 * 4), turned(-(2**63)))
print(list(collections.deque([1, 2], maxlen=5) * 10**12))
for by in (2**63, -(2**63) - 1):
    try:
        turned(by)
    except OverflowError as error:
        print(error)
