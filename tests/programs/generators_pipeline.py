# Chains generators, with send, yield from and close.
# stdout:
# |0 10 11
# |closed
# |[1, 2, 3, 4, 5] 165
# |[7, 14, 21]
import itertools


def numbers():
    try:
        n = 0
        while True:
            n += (yield n) or 1
    finally:
        print("closed")


def flat(nested):
    for item in nested:
        if isinstance(item, list):
            yield from flat(item)
        else:
            yield item


source = numbers()
print(next(source), source.send(10), next(source))
source.close()
print(list(flat([1, [2, [3, [4]], 5]])), sum(x * x for x in range(10) if x % 2))
print(list(itertools.islice((x for x in itertools.count(1) if x % 7 == 0), 3)))
