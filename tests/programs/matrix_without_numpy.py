# Inverts a matrix exactly, with fractions.
# stdout:
# |[['0', '0', '1'], ['-2', '1', '3'], ['3', '-1', '-5']]
from fractions import Fraction


def invert(matrix):
    size = len(matrix)
    rows = [[Fraction(x) for x in row] + [Fraction(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(r for r in range(column, size) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [x / rows[column][column] for x in rows[column]]
        for r in range(size):
            if r != column:
                factor = rows[r][column]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[column])]
    return [row[size:] for row in rows]


inverse = invert([[2, 1, 1], [1, 3, 2], [1, 0, 0]])
print([[str(x) for x in row] for row in inverse])
