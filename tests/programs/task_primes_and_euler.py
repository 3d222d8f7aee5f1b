# Solves number puzzles: sieves, factors, big powers, digit sums, continued fractions.
# stdout:
# |10453 109987 3682913
# |{71: 1, 839: 1, 1471: 1, 6857: 1} {2147483647: 1} {2: 12, 5: 12}
# |[2305843009213693907, 2305843009213693921, 2305843009213693951] True False
# |1: 233168
# |2: 4613732 4: 906609
# |5: 232792560 6: 25164150 7: 104743
# |9: 31875000
# |12: 2031120 15: 137846528820 16: 1366 20: 648
# |14: 26623 308 106358020
# |24: 17624350
# |4782 [2880067194370816120, 4660046610375530309]
# |26: 193
# |48: 9110846700 97: 8739992577
# |57: 16616132878186749607 11749380235262596085 True 1414213562373095048801688724209
# |4 1048576 (-3, 2) -3 2 -1.0 1295 5 -6 1180591620717411303424
# |846 12532566399657183181 81 1376 163
# |[6, 28, 496, 8128, 33550336, 8589869056, 137438691328, 2305843008139952128]
# |(884279719003555, 281474976710656) 1457/536 55835135/15519504
import math
import sys
from fractions import Fraction
from itertools import count, islice, permutations, takewhile


def sieve(limit):
    flags = bytearray([1]) * (limit + 1)
    flags[:2] = b"\0\0"
    for n in range(2, math.isqrt(limit) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(limit + 1) if flags[n]]


primes = sieve(110_000)
print(len(primes), primes[-1], sum(primes[:1000]))


def factor(n):
    found = {}
    for p in takewhile(lambda p: p * p <= n, primes):
        while n % p == 0:
            found[p] = found.get(p, 0) + 1
            n //= p
    if n > 1:
        found[n] = found.get(n, 0) + 1
    return found


def is_prime(n, bases=(2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
    if n < 2 or any(n % b == 0 for b in bases):
        return n in bases
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for b in bases:
        x = pow(b, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


print(factor(600851475143), factor(2**31 - 1), factor(10**12))
print([n for n in range(2**61 - 50, 2**61) if is_prime(n)], is_prime(2**89 - 1), is_prime(2**67 - 1))
print("1:", sum(n for n in range(1000) if n % 3 == 0 or n % 5 == 0))
a, b, total = 1, 2, 0
while b < 4_000_000:
    total, a, b = total + (b if b % 2 == 0 else 0), b, a + b
print("2:", total, "4:", max(x * y for x in range(900, 1000) for y in range(x, 1000) if str(x * y) == str(x * y)[::-1]))
print("5:", math.lcm(*range(1, 21)), "6:", sum(range(101)) ** 2 - sum(n * n for n in range(101)), "7:", primes[10000])
print("9:", next(a * b * c for a in range(1, 500) for b in range(a, 500) if (c := 1000 - a - b) > 0 and a * a + b * b == c * c))
triangle = next(t for t in (n * (n + 1) // 2 for n in count(2)) if math.prod(e + 1 for e in factor(t).values()) > 200)
print("12:", triangle, "15:", math.comb(40, 20), "16:", sum(map(int, str(2**1000))), "20:", sum(int(d) for d in str(math.factorial(100))))
lengths = {1: 1}


def collatz(n):
    path = []
    while n not in lengths:
        path.append(n)
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    for back in reversed(path):
        lengths[back] = lengths[n] + 1
        n = back
    return lengths[path[0]] if path else lengths[n]


print("14:", max(range(1, 30_000), key=collatz), max(lengths.values()), max(lengths))
print("24:", "".join(next(islice(permutations("01234567"), 9_999, None))))


def fib():
    a, b = 1, 1
    while True:
        yield a
        a, b = b, a + b


print(next(i for i, f in enumerate(fib(), 1) if f >= 10**999), [f for f in islice(fib(), 89, 91)])
print("26:", max(range(2, 200), key=lambda d: next((k for k in range(1, d) if pow(10, k, d) == 1), 0)))
print("48:", f"{sum(pow(n, n, 10**10) for n in range(1, 1001)) % 10**10:010d}", "97:", (28433 * pow(2, 7830457, 10**10) + 1) % 10**10)
x = Fraction(1)
for _ in range(50):
    x = 1 + 1 / (1 + x)
print("57:", x.numerator, x.denominator, float(x) == math.sqrt(2), math.isqrt(2 * 10**60))
print(pow(3, -1, 11), math.gcd(2**40, 6**20), divmod(-7, 3), -7 // 3, -7 % 3, math.fmod(-7, 3), int("zz", 36), 0b1010 ^ 0o17, ~5, 1 << 70)
big = 7**1000
sys.set_int_max_str_digits(5000)
print(len(str(big)), str(big)[:20], big % 97, big.bit_count(), (big >> 2800))
perfect = [2 ** (p - 1) * (2**p - 1) for p in (2, 3, 5, 7, 13, 17, 19, 31) if is_prime(2**p - 1)]
print(perfect)
print(math.pi.as_integer_ratio(), Fraction(math.e).limit_denominator(1000), sum(Fraction(1, n) for n in range(1, 21)))
