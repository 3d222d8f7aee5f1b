"""Sequences of random numbers that are seeded by a float.

The seed is the hash of the float, which has 64 bits where programs are usually
run, and 32 here.
"""
import math
import random

# sys.hash_info of a 64-bit Python.
MODULUS = (1 << 61) - 1
INFINITY = 314159
BITS = (1 << 64) - 1

_seed = random.Random.seed


def _hash(value):
    """hash(value) as it is with 64 bits ("Hashing of numeric types" in the
    library reference)."""
    if math.isinf(value):
        return INFINITY if value > 0 else -INFINITY
    numerator, denominator = value.as_integer_ratio()
    found = abs(numerator) % MODULUS * pow(denominator, -1, MODULUS) % MODULUS
    found = found if numerator >= 0 else -found
    return -2 if found == -1 else found


def seed(self, a=None, version=2):
    if isinstance(a, float) and not math.isnan(a):
        a = _hash(a) & BITS
    return _seed(self, a, version)


def install():
    """Has generators seeded as elsewhere."""
    seed.__doc__ = _seed.__doc__
    random.Random.seed = seed
    random.seed = random._inst.seed
