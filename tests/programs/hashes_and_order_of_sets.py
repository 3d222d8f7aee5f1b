# Hashes of numbers and tuples, the order of sets, and seeds are those of every machine.
# stdout:
# |0 1 1152921504606846977 322818021289917443 529344067295497451 -2 549755813888
# |-272375401224217160 2000007 1537228672809129301 32074276258162486
# |True True True
# |{0.1, 1.5, 2.7, 3.1, 100.25} {(1, 2), (5, 1), (3, 4), (0, 0)} {1099511627776, 34359738369, 205891132094649, 7}
# |{0.0, 0.30000000000000004, 0.1, 0.2, 0.4, 0.5, 0.6000000000000001, 0.7000000000000001, 0.8, 0.9, 1.0, 1.1}
# |{(0, 1), (1, 2), (2, 1), (0, 0), (1, 1), (2, 0), (0, 2), (2, 2), (1, 0)}
# |{1000000000000, 1000000055433, 1000000039595, 1000000023757, 1000000007919, 1000000047514, 1000000031676, 1000000015838}
# |0.2794930785867423
# |[1099511627776, -2, 9223372036854775807, 4, 512, -9223372036854775808]
import random
from decimal import Decimal
from fractions import Fraction

print(hash(2**61 - 1), hash(2**61), hash(1.5), hash(3.14), hash((1, 2, 3)), hash(-1), hash(2**100))
print(hash(frozenset([1, 2, 3])), hash(complex(1, 2)), hash(Fraction(1, 3)), hash(Decimal("3.14159")))
print(hash(Decimal("1e-20")) == hash(Fraction(1, 10**20)), hash(Decimal(10**40)) == hash(10**40), hash(Decimal("-7.25")) == hash(-7.25))
print({1.5, 2.7, 3.1, 0.1, 100.25}, {(1, 2), (3, 4), (0, 0), (5, 1)}, {2**40, 2**35 + 1, 3**30, 7})
print({x * 0.1 for x in range(12)})
print({(x, y) for x in range(3) for y in range(3)})
print({10**12 + k * 7919 for k in range(8)})
random.seed(0.5)
print(random.random())


class Given:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return self.value


print([hash(Given(value)) for value in (2**40, -1, 2**63 - 1, 2**63, 2**70, -(2**63))])
