# Solves board puzzles: queens, a knight's tour, the towers of Hanoi, the water jugs.
# stdout:
# |4 2 (1, 3, 0, 2)
# |5 10 (0, 2, 4, 1, 3)
# |6 4 (1, 3, 5, 0, 2, 4)
# |7 40 (0, 2, 4, 6, 1, 3, 5)
# |Q . . . . . . .
# |. . . . Q . . .
# |. . . . . . . Q
# |. . . . . Q . .
# |. . Q . . . . .
# |. . . . . . Q .
# |. Q . . . . . .
# |. . . Q . . . .
# |36 of 36 squares
# |   1  28   9  20   3  30
# |  10  21   2  29  16  19
# |  35   8  27  18  31   4
# |  22  11  34  15  26  17
# |   7  36  13  24   5  32
# |  12  23   6  33  14  25
# |AC AB CB AC BA BC AC 4095
# |[(0, 0), (0, 5), (3, 2), (0, 2), (2, 0), (2, 5), (3, 4)]
# |None
# |[1, 2, 2, 1, 4, 1, 4, 7, 1, 4, 7, 10, 13, 2] CacheInfo(hits=13, misses=14, maxsize=None, currsize=14)
from collections import deque
from functools import lru_cache


def queens(n):
    def place(row, columns, down, up):
        if row == n:
            yield ()
            return
        for c in range(n):
            if c not in columns and row - c not in down and row + c not in up:
                for rest in place(row + 1, columns | {c}, down | {row - c}, up | {row + c}):
                    yield (c, *rest)

    return place(0, frozenset(), frozenset(), frozenset())


for n in range(4, 8):
    solutions = list(queens(n))
    print(n, len(solutions), solutions[0])
first = next(queens(8))
print("\n".join(" ".join("Q" if c == q else "." for c in range(8)) for q in first))


def tour(n, start=(0, 0)):
    moves = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]
    seen = {start: 1}

    def free(cell):
        return [(cell[0] + a, cell[1] + b) for a, b in moves if 0 <= cell[0] + a < n and 0 <= cell[1] + b < n and (cell[0] + a, cell[1] + b) not in seen]

    cell = start
    while options := free(cell):
        cell = min(options, key=lambda option: (len(free(option)), option))
        seen[cell] = len(seen) + 1
    return seen


visited = tour(6)
print(len(visited), "of 36 squares")
for r in range(6):
    print("".join(f"{visited.get((r, c), 0):>4}" for c in range(6)))


def hanoi(n, a="A", b="B", c="C"):
    if n:
        yield from hanoi(n - 1, a, c, b)
        yield a + c
        yield from hanoi(n - 1, b, a, c)


print(" ".join(hanoi(3)), sum(1 for _ in hanoi(12)))


def jugs(sizes, goal):
    start = (0,) * len(sizes)
    previous = {start: None}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        if goal in state:
            path = []
            while state is not None:
                path.append(state)
                state = previous[state]
            return path[::-1]
        following = []
        for i, size in enumerate(sizes):
            following.append(state[:i] + (size,) + state[i + 1 :])
            following.append(state[:i] + (0,) + state[i + 1 :])
            for j, other in enumerate(sizes):
                if i != j:
                    moved = min(state[i], other - state[j])
                    new = list(state)
                    new[i] -= moved
                    new[j] += moved
                    following.append(tuple(new))
        for state_ in following:
            if state_ not in previous:
                previous[state_] = state
                queue.append(state_)


print(jugs((3, 5), 4))
print(jugs((6, 10), 5))


@lru_cache(maxsize=None)
def josephus(n, k):
    return 0 if n == 1 else (josephus(n - 1, k) + k) % n


print([josephus(n, 3) + 1 for n in range(1, 15)], josephus.cache_info())
