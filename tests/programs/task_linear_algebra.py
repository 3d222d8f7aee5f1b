# Works with matrices by hand: determinant, inverse, linear regression, powers, eigenvalue.
# stdout:
# |[ 2 -1  0]
# |[ 1  3  2]
# |[ 0  5 -4]
# |-48
# |[11/24  1/12  1/24]
# |[-1/12   1/6  1/12]
# |[-5/48  5/24 -7/48]
# |True
# |2880067194370816120 [1, 9, 9] [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
# |ZeroDivisionError matrix is singular
# |ValueError shapes (3, 3) and (1, 2) do not fit
# |ValueError rows differ in length
# |y = 1.9629 x + 0.1133, R2 = 0.998161
# |1.9628571429 0.1133333333 0.9990803059 3.675550 True
# |eigenvalue 4.732050808 ['0.788675', '0.577350', '0.211325'] 1.0
import math
import operator
from fractions import Fraction
from functools import reduce
from statistics import correlation, fmean, linear_regression, stdev


class Matrix:
    __slots__ = ("rows",)

    def __init__(self, rows):
        self.rows = [list(row) for row in rows]
        if len({len(row) for row in self.rows}) > 1:
            raise ValueError("rows differ in length")

    @classmethod
    def identity(cls, n):
        return cls([[int(i == j) for j in range(n)] for i in range(n)])

    @property
    def shape(self):
        return len(self.rows), len(self.rows[0])

    @property
    def T(self):
        return Matrix(zip(*self.rows))

    def __matmul__(self, other):
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"shapes {self.shape} and {other.shape} do not fit")
        return Matrix([[sum(map(operator.mul, row, column)) for column in other.T.rows] for row in self.rows])

    def __add__(self, other):
        return Matrix([[a + b for a, b in zip(r, s)] for r, s in zip(self.rows, other.rows)])

    def __mul__(self, factor):
        return Matrix([[a * factor for a in row] for row in self.rows])

    __rmul__ = __mul__

    def __pow__(self, exponent):
        result, base = Matrix.identity(self.shape[0]), self
        while exponent:
            if exponent & 1:
                result = result @ base
            base = base @ base
            exponent >>= 1
        return result

    def __eq__(self, other):
        return isinstance(other, Matrix) and self.rows == other.rows

    def __getitem__(self, index):
        return self.rows[index[0]][index[1]] if isinstance(index, tuple) else self.rows[index]

    def __str__(self):
        texts = [[str(cell) for cell in row] for row in self.rows]
        width = max(len(t) for row in texts for t in row)
        return "\n".join("[" + " ".join(t.rjust(width) for t in row) + "]" for row in texts)

    def reduced(self):
        rows = [[Fraction(cell) for cell in row] for row in self.rows]
        sign, pivots = 1, []
        row = 0
        for column in range(len(rows[0])):
            best = next((r for r in range(row, len(rows)) if rows[r][column]), None)
            if best is None:
                continue
            if best != row:
                rows[row], rows[best] = rows[best], rows[row]
                sign = -sign
            pivots.append(rows[row][column])
            rows[row] = [cell / pivots[-1] for cell in rows[row]]
            for r in range(len(rows)):
                if r != row and rows[r][column]:
                    rows[r] = [a - rows[r][column] * b for a, b in zip(rows[r], rows[row])]
            row += 1
            if row == len(rows):
                break
        return Matrix(rows), sign, pivots

    def determinant(self):
        _, sign, pivots = self.reduced()
        return reduce(operator.mul, pivots, Fraction(sign)) if len(pivots) == self.shape[0] else Fraction(0)

    def inverse(self):
        n = self.shape[0]
        wide = Matrix([row + unit for row, unit in zip(self.rows, Matrix.identity(n).rows)])
        reduced, _, pivots = wide.reduced()
        if Matrix([row[:n] for row in reduced.rows]) != Matrix.identity(n):
            raise ZeroDivisionError("matrix is singular")
        return Matrix([row[n:] for row in reduced.rows])


A = Matrix([[2, -1, 0], [1, 3, 2], [0, 5, -4]])
print(A, A.determinant(), A.inverse(), A @ A.inverse() == Matrix.identity(3), sep="\n")
print((Matrix([[1, 1], [1, 0]]) ** 90)[0, 1], (2 * A + A.T)[1], (A**0).rows)
for attempt in (lambda: Matrix([[1, 2], [2, 4]]).inverse(), lambda: A @ Matrix([[1, 2]]), lambda: Matrix([[1], [1, 2]])):
    try:
        attempt()
    except (ZeroDivisionError, ValueError) as error:
        print(type(error).__name__, error)

xs = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
ys = [2.1, 3.9, 6.2, 7.8, 10.1, 11.8]
X = Matrix([[1, x] for x in xs])
beta = (X.T @ X).inverse() @ (X.T @ Matrix([[y] for y in ys]))
intercept, slope = (float(row[0]) for row in beta.rows)
mean = fmean(ys)
residual = sum((y - intercept - slope * x) ** 2 for x, y in zip(xs, ys))
print(f"y = {slope:.4f} x + {intercept:.4f}, R2 = {1 - residual / sum((y - mean) ** 2 for y in ys):.6f}")
fit = linear_regression(xs, ys)
print(f"{fit.slope:.10f} {fit.intercept:.10f} {correlation(xs, ys):.10f} {stdev(ys):.6f}", math.isclose(fit.slope, slope))

vector = [1.0, 1.0, 1.0]
S = Matrix([[4, 1, 0], [1, 3, 1], [0, 1, 2]])
for step in range(60):
    vector = [sum(a * b for a, b in zip(row, vector)) for row in S.rows]
    size = math.hypot(*vector)
    vector = [v / size for v in vector]
print(f"eigenvalue {size:.9f}", [f"{v:.6f}" for v in vector], math.sumprod(vector, vector).__round__(12))
