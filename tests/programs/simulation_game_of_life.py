# Simulates the game of life.
# stdout:
# |......
# |......
# |...#..
# |....#.
# |..###.
# |......
def step(cells):
    neighbours = {}
    for x, y in cells:
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    key = (x + dx, y + dy)
                    neighbours[key] = neighbours.get(key, 0) + 1
    return {cell for cell, count in neighbours.items() if count == 3 or (count == 2 and cell in cells)}


glider = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
for _ in range(8):
    glider = step(glider)
for y in range(6):
    print("".join("#" if (x, y) in glider else "." for x in range(6)))
