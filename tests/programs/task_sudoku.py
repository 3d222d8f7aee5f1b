# Solves sudokus by constraint propagation and search, and counts the steps.
# stdout:
# |easy: 1 steps, 30 givens
# |5 3 4 | 6 7 8 | 9 1 2
# |6 7 2 | 1 9 5 | 3 4 8
# |1 9 8 | 3 4 2 | 5 6 7
# |------+-------+------
# |8 5 9 | 7 6 1 | 4 2 3
# |4 2 6 | 8 5 3 | 7 9 1
# |7 1 3 | 9 2 4 | 8 5 6
# |------+-------+------
# |9 6 1 | 5 3 7 | 2 8 4
# |2 8 7 | 4 1 9 | 6 3 5
# |3 4 5 | 2 8 6 | 1 7 9
# |hard: 929 steps, 21 givens
# |8 1 2 | 7 5 3 | 6 4 9
# |9 4 3 | 6 8 2 | 1 7 5
# |6 7 5 | 4 9 1 | 2 8 3
# |------+-------+------
# |1 5 4 | 2 3 7 | 8 9 6
# |3 6 9 | 8 4 5 | 7 2 1
# |2 8 7 | 1 6 9 | 5 3 4
# |------+-------+------
# |5 2 1 | 9 7 4 | 3 6 8
# |4 3 8 | 5 2 6 | 9 1 7
# |7 9 6 | 3 1 8 | 4 5 2
# |impossible: None
from itertools import product

EASY = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."

CELLS = list(product(range(9), repeat=2))
PEERS = {
    (r, c): {(i, j) for i, j in CELLS if (i, j) != (r, c) and (i == r or j == c or (i // 3, j // 3) == (r // 3, c // 3))}
    for r, c in CELLS
}
steps = 0


def eliminate(options, cell, digit):
    if digit not in options[cell]:
        return True
    options[cell] = options[cell].replace(digit, "")
    if not options[cell]:
        return False
    if len(options[cell]) == 1:
        return all(eliminate(options, peer, options[cell]) for peer in PEERS[cell])
    return True


def assign(options, cell, digit):
    return all(eliminate(options, cell, other) for other in options[cell].replace(digit, ""))


def search(options):
    global steps
    steps += 1
    open_cells = [cell for cell in CELLS if len(options[cell]) > 1]
    if not open_cells:
        return options
    cell = min(open_cells, key=lambda c: (len(options[c]), c))
    for digit in options[cell]:
        copy = dict(options)
        if assign(copy, cell, digit) and (found := search(copy)):
            return found
    return None


def solve(text):
    options = dict.fromkeys(CELLS, "123456789")
    for cell, digit in zip(CELLS, text):
        if digit in "123456789" and not assign(options, cell, digit):
            return None
    return search(options)


def show(grid):
    for r in range(9):
        if r in (3, 6):
            print("------+-------+------")
        print(" | ".join(" ".join(grid[r, c] for c in range(b, b + 3)) for b in (0, 3, 6)))


for name, puzzle in (("easy", EASY), ("hard", HARD)):
    steps = 0
    solution = solve(puzzle)
    print(f"{name}: {steps} steps, {sum(d in '123456789' for d in puzzle)} givens")
    show(solution)
    assert all(len({solution[r, c] for c in range(9)}) == 9 for r in range(9))
    assert all(solution[cell] not in {solution[p] for p in PEERS[cell]} for cell in CELLS)
print("impossible:", solve("55" + "." * 79))
