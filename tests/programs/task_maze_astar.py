# Makes mazes with a seed, solves them by breadth first search and A*, and draws the path.
# stdout:
# |seed 'maze': 59 steps, breadth first saw 110, A* 78, same length True
# |#########################
# |#·······#      ···#···# #
# |#######·#######·#·#·#·# #
# |#     #·········#···#···#
# |# # # ###### ##########·#
# |# # #       #       #···#
# |### ####### # ### ###·###
# |#   #       # # #  ···# #
# |# ### # ##### # ###·### #
# |#     # #     #·····#   #
# |# # ### # #####·##### # #
# |# # #   #     #···    # #
# |# # # ####### ###·# ### #
# |#   #            ·······#
# |#########################
# |seed 2026: 75 steps, breadth first saw 117, A* 100, same length True
# |#########################
# |#·#  ···#    ·····#     #
# |#·###·#·### #·###·##### #
# |#·····#···# #·#···#     #
# |#########·###·#·### #####
# |#       #·#···#·#       #
# |####### #·#·###·####### #
# |#       #···# #·········#
# |# ##### ##### #########·#
# |# #             #·······#
# |# # ######### ###·#######
# |#         #   #···#  ···#
# |# ####### #####·#####·#·#
# |#       #      ·······#·#
# |#########################
# |..#oo
# |.##oo
# |#ooo#
# |[1, 2, 3, 6, 9, 12, 11, 10, 7, 4, 5, 8]
# |4 [3, 2, 1, 3]
import heapq
import random
import sys
from collections import deque

sys.setrecursionlimit(5000)
WIDTH, HEIGHT = 12, 7


def make(seed):
    rng = random.Random(seed)
    grid = [["#"] * (2 * WIDTH + 1) for _ in range(2 * HEIGHT + 1)]

    def carve(x, y):
        grid[2 * y + 1][2 * x + 1] = " "
        ways = [(1, 0), (0, 1), (-1, 0), (0, -1)]
        rng.shuffle(ways)
        for dx, dy in ways:
            a, b = x + dx, y + dy
            if 0 <= a < WIDTH and 0 <= b < HEIGHT and grid[2 * b + 1][2 * a + 1] == "#":
                grid[2 * y + 1 + dy][2 * x + 1 + dx] = " "
                carve(a, b)

    carve(0, 0)
    for _ in range(6):
        grid[rng.randrange(1, 2 * HEIGHT)][rng.randrange(1, 2 * WIDTH)] = " "
    return grid


def free(grid, cell):
    x, y = cell
    return [(a, b) for a, b in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)) if grid[b][a] != "#"]


def trace(previous, cell):
    path = []
    while cell is not None:
        path.append(cell)
        cell = previous[cell]
    return path[::-1]


def breadth_first(grid, start, goal):
    previous, queue = {start: None}, deque([start])
    while queue:
        cell = queue.popleft()
        if cell == goal:
            return trace(previous, cell), len(previous)
        for other in free(grid, cell):
            if other not in previous:
                previous[other] = cell
                queue.append(other)


def a_star(grid, start, goal):
    guess = lambda cell: abs(cell[0] - goal[0]) + abs(cell[1] - goal[1])
    cost, previous, queue = {start: 0}, {start: None}, [(guess(start), 0, start)]
    done = set()
    while queue:
        _, so_far, cell = heapq.heappop(queue)
        if cell == goal:
            return trace(previous, cell), len(done)
        if cell in done:
            continue
        done.add(cell)
        for other in free(grid, cell):
            if (new := cost[cell] + 1) < cost.get(other, sys.maxsize):
                cost[other], previous[other] = new, cell
                heapq.heappush(queue, (new + guess(other), new, other))


for seed in ("maze", 2026):
    grid = make(seed)
    start, goal = (1, 1), (2 * WIDTH - 1, 2 * HEIGHT - 1)
    path, seen = breadth_first(grid, start, goal)
    other, expanded = a_star(grid, start, goal)
    print(f"seed {seed!r}: {len(path)} steps, breadth first saw {seen}, A* {expanded}, same length {len(path) == len(other)}")
    marked = set(other)
    print("\n".join("".join("·" if (x, y) in marked else c for x, c in enumerate(row)) for y, row in enumerate(grid)))


def flood(image, x, y, colour):
    old, stack = image[y][x], [(x, y)]
    while stack and old != colour:
        x, y = stack.pop()
        if 0 <= y < len(image) and 0 <= x < len(image[y]) and image[y][x] == old:
            image[y][x] = colour
            stack += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
    return ["".join(row) for row in image]


print(*flood([list(r) for r in ("..#..", ".##..", "#...#")], 4, 0, "o"), sep="\n")
spiral = lambda m: m and [*m.pop(0), *spiral([*map(list, zip(*m))][::-1])]
print(spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]))
islands = ["110001", "100011", "000100", "011000"]
land = {(x, y) for y, row in enumerate(islands) for x, c in enumerate(row) if c == "1"}
count = []
while land:
    stack, size = [min(land)], 0
    while stack:
        cell = stack.pop()
        if cell in land:
            land.discard(cell)
            size += 1
            x, y = cell
            stack += [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
    count.append(size)
print(len(count), count)
