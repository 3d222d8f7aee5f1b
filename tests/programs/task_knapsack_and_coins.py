# Plans purchases with dynamic programming: knapsack, coins, longest subsequences, scheduling.
# stdout:
# |capacity 3: 3300 ['camera', 'phone'] ok
# |capacity 6: 6300 ['laptop', 'camera', 'phone'] ok
# |capacity 9: 8300 ['laptop', 'camera', 'guitar', 'phone'] ok
# |[1, 5, 5, 5] [1, 12, 25, 25] [12, 12, 25, 25, 25]
# |ways to make 200: 73682
# |4 gaming GTAB
# |best profit 240 [50, 70, 170, 240, 440]
# |[5] | [4, 1] | [3, 2] | [3, 1, 1] | [2, 2, 1] | [2, 1, 1, 1] | [1, 1, 1, 1, 1]
# |[1, 2, 3, 5, 7, 11, 15, 22, 30, 42, 56, 77, 101, 135, 176] 2598960 720
import math
from bisect import bisect_left, bisect_right
from functools import cache
from itertools import accumulate, combinations

ITEMS = [("laptop", 3000, 4), ("camera", 1500, 1), ("books", 400, 6), ("guitar", 2000, 3), ("tent", 900, 2), ("phone", 1800, 1)]


def knapsack(items, capacity):
    best = [[0] * (capacity + 1) for _ in range(len(items) + 1)]
    for i, (_, value, weight) in enumerate(items, 1):
        for room in range(capacity + 1):
            best[i][room] = best[i - 1][room]
            if weight <= room:
                best[i][room] = max(best[i][room], best[i - 1][room - weight] + value)
    chosen, room = [], capacity
    for i in range(len(items), 0, -1):
        if best[i][room] != best[i - 1][room]:
            chosen.append(items[i - 1][0])
            room -= items[i - 1][2]
    return best[-1][-1], chosen[::-1]


for capacity in (3, 6, 9):
    value, chosen = knapsack(ITEMS, capacity)
    brute = max(
        sum(v for _, v, _ in group)
        for n in range(len(ITEMS) + 1)
        for group in combinations(ITEMS, n)
        if sum(w for *_, w in group) <= capacity
    )
    print(f"capacity {capacity}: {value} {chosen} {'ok' if brute == value else 'WRONG'}")


def coins(amount, kinds=(1, 5, 12, 25)):
    need = [0] + [math.inf] * amount
    last = [0] * (amount + 1)
    for total in range(1, amount + 1):
        for coin in kinds:
            if coin <= total and need[total - coin] + 1 < need[total]:
                need[total], last[total] = need[total - coin] + 1, coin
    used = []
    while amount:
        used.append(last[amount])
        amount -= last[amount]
    return used


print(coins(16), coins(63), coins(99))


@cache
def ways(amount, kinds=(200, 100, 50, 20, 10, 5, 2, 1)):
    if amount == 0:
        return 1
    if amount < 0 or not kinds:
        return 0
    return ways(amount - kinds[0], kinds) + ways(amount, kinds[1:])


print("ways to make 200:", ways(200))


def longest_increasing(values):
    tails = []
    for value in values:
        place = bisect_left(tails, value)
        tails[place : place + 1] = [value]
    return len(tails)


def common(a, b):
    @cache
    def at(i, j):
        if i == len(a) or j == len(b):
            return ""
        if a[i] == b[j]:
            return a[i] + at(i + 1, j + 1)
        return max(at(i + 1, j), at(i, j + 1), key=len)

    return at(0, 0)


print(longest_increasing([10, 9, 2, 5, 3, 7, 101, 18]), common("programming", "gaming"), common("AGGTAB", "GXTXAYB"))
JOBS = sorted([("clean", 1, 3, 50), ("paint", 3, 5, 20), ("build", 6, 19, 100), ("test", 2, 100, 200), ("ship", 19, 21, 70)], key=lambda j: j[2])
ends = [job[2] for job in JOBS]
profit = [0]
for index, (name, start, end, gain) in enumerate(JOBS):
    profit.append(max(profit[-1], profit[bisect_right(ends, start, hi=index)] + gain))
print("best profit", profit[-1], list(accumulate(job[3] for job in JOBS)))


def partitions(n, largest=None):
    largest = largest or n
    if n == 0:
        yield []
    for part in range(min(n, largest), 0, -1):
        for rest in partitions(n - part, part):
            yield [part, *rest]


print(*partitions(5), sep=" | ")
print([sum(1 for _ in partitions(n)) for n in range(1, 16)], math.comb(52, 5), math.perm(10, 3))
