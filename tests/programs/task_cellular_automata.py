# Runs cellular automata: rules in one dimension, Langton's ant, life with a glider, a forest fire.
# stdout:
# |rule 30
# |                              #
# |                             ###
# |                            ##  #
# |                           ## ####
# |                          ##  #   #
# |                         ## #### ###
# |                        ##  #    #  #
# |                       ## ####  ######
# |                      ##  #   ###     #
# |                     ## #### ##  #   ###
# |                    ##  #    # #### ##  #
# |                   ## ####  ## #    # ####
# |                  ##  #   ###  ##  ## #   #
# |                 ## #### ##  ### ###  ## ###
# |                ##  #    # ###   #  ###  #  #
# |               ## ####  ## #  # #####  #######
# |rule 90
# |                              #
# |                             # #
# |                            #   #
# |                           # # # #
# |                          #       #
# |                         # #     # #
# |                        #   #   #   #
# |                       # # # # # # # #
# |                      #               #
# |                     # #             # #
# |                    #   #           #   #
# |                   # # # #         # # # #
# |                  #       #       #       #
# |                 # #     # #     # #     # #
# |                #   #   #   #   #   #   #   #
# |               # # # # # # # # # # # # # # # #
# |rule 110: [1, 2, 3, 3, 5, 3, 5, 6, 8, 5, 6, 8, 8, 8, 11, 11, 13, 9, 11, 11, 13, 14, 16, 14, 14, 13, 13, 17, 22, 20]
# |ant: 834 (-34-14j) -37.0 22.0
# |glider moved: True
# |acorn: [(0, 7), (50, 96), (100, 76), (150, 149), (200, 169)]
# |fire burnt 11 steps, 243 trees to 215
# |T.TTTT.T.T.T..TT...T
# |.TTTTT..TTTT.T.T..TT
# |TTTTT.TTTTT.TTT.TT..
# |TTT.TTTT..TT.T.TT.TT
# |..TT..TT..T.TTTT..TT
# |TT...T.TTTTTTT..TT.T
# |TT.*....TTTTTTTTT...
# |...*.***..TTT..T..T.
# |T..****.TTT.T..TTTTT
# |.***....TT..TT...TT.
# |****.T.T.T.TT...TT.T
# |..**...T.TT..T.T.T..
# |******...T.TT.TTTTTT
# |..***.T.TT.TTT.T.TTT
# |T.*..TTT..T...TT.T.T
# |T.*.T.TTT.TT..T.T.TT
# |TT.TTTTTTTT.TTTT..TT
# |T.T.T.TT.TTTTT..T.T.
# |.T.TT.TT.TT....TTTTT
# |..T..TT.TT.TTTTTTTT.
# |#####...################################
# |##.......#######.........######..##...##
# |#........######........................#
# |#.......#######.........................
# |#.......#######.........................
# |#.......######......###................#
# |#..................####...............##
# |...................####...............##
# |...................###................##
# |#..............................###....##
# |#............................######..###
# |#...........................############
# |##..............######...###############
# |########################################
# |areas: [359]
# |sand: [(3, 104), (2, 68), (1, 52), (0, 17)] 500
import random
from collections import Counter, defaultdict


def rule(number, width=61, steps=16):
    row = [0] * width
    row[width // 2] = 1
    for _ in range(steps):
        yield row
        row = [number >> (row[i - 1] << 2 | row[i] << 1 | row[(i + 1) % width]) & 1 for i in range(width)]


for number in (30, 90):
    print(f"rule {number}")
    for row in rule(number):
        print("".join(" #"[cell] for cell in row).rstrip())
print("rule 110:", [sum(row) for row in rule(110, 200, 30)])


def ant(steps):
    black, at, heading = set(), 0j, 1j
    for _ in range(steps):
        heading *= 1j if at in black else -1j
        black ^= {at}
        at += heading
    return black, at


black, at = ant(11000)
print("ant:", len(black), at, min(c.real for c in black), max(c.imag for c in black))


def life(cells):
    neighbours = Counter((x + dx, y + dy) for x, y in cells for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy)
    return {cell for cell, n in neighbours.items() if n == 3 or n == 2 and cell in cells}


GLIDER = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
cells = GLIDER
for generation in range(4):
    cells = life(cells)
print("glider moved:", cells == {(x + 1, y + 1) for x, y in GLIDER})
cells, seen = {(0, 1), (1, 3), (2, 0), (2, 1), (2, 4), (2, 5), (2, 6)}, []
cells = {(y, x) for x, y in cells}
for generation in range(201):
    if generation % 50 == 0:
        seen.append((generation, len(cells)))
    cells = life(cells)
print("acorn:", seen)

random.seed(1871)
SIZE = 20
forest = [[random.choices("T.", [0.62, 0.38])[0] for _ in range(SIZE)] for _ in range(SIZE)]
forest[SIZE // 2][0] = "F"
history = []
while any("F" in row for row in forest):
    history.append(sum(row.count("T") for row in forest))
    burning = {(r, c) for r in range(SIZE) for c in range(SIZE) if forest[r][c] == "F"}
    for r, c in burning:
        forest[r][c] = "*"
        for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            if 0 <= r + dr < SIZE and 0 <= c + dc < SIZE and forest[r + dr][c + dc] == "T":
                forest[r + dr][c + dc] = "F"
print(f"fire burnt {len(history)} steps, {history[0]} trees to {history[-1]}")
print("\n".join("".join(row) for row in forest))


def cave(seed, width=40, height=14, passes=4):
    rng = random.Random(seed)
    grid = {(x, y): rng.random() < 0.45 for x in range(width) for y in range(height)}
    for _ in range(passes):
        grid = {(x, y): sum(grid.get((x + i, y + j), True) for i in (-1, 0, 1) for j in (-1, 0, 1)) >= 5 for x, y in grid}
    areas, left = [], {cell for cell, wall in grid.items() if not wall}
    while left:
        stack, area = [left.pop()], 1
        while stack:
            x, y = stack.pop()
            for cell in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if cell in left:
                    left.remove(cell)
                    stack.append(cell)
                    area += 1
        areas.append(area)
    return grid, sorted(areas, reverse=True)


grid, areas = cave("deep")
print("\n".join("".join("#" if grid[x, y] else "." for x in range(40)) for y in range(14)))
print("areas:", areas)
piles = defaultdict(int, {(0, 0): 500})
while any(v >= 4 for v in piles.values()):
    for cell in [c for c, v in piles.items() if v >= 4]:
        x, y = cell
        spill, piles[cell] = divmod(piles[cell], 4)
        for other in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            piles[other] += spill
print("sand:", Counter(piles.values()).most_common(), sum(piles.values()))
