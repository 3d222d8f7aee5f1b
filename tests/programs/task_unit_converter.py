# Converts units with a graph of factors, parses quantities and prints tables.
# stdout:
# |26.2 mi to km   = 42.1648 km  (exactly 3294126/78125)
# |180 lb to kg    = 81.6466 kg  (exactly 52547279/643594)
# |6 ft in cm      = 182.88 cm  (exactly 4572/25)
# |5/3 h to s      = 6,000 s  (exactly 6000)
# |1.5 GiB to B    = 1.61061e+09 B  (exactly 1610612736)
# |1e6 s to day    = 11.5741 day  (exactly 625/54)
# |3 l to gal      = 0.792516 gal  (exactly 780397/984708)
# |2 km to kg      ! no way from km to kg
# |heavy           ! cannot read 'heavy'
# |
# | °C      °F       K
# |-40    -40.0   233.15
# | -5     23.0   268.15
# | 30     86.0   303.15
# | 65    149.0   338.15
# |100    212.0   373.15
# |['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '9.5 MiB', '2.0 GiB', '2.0 GiB', '931.3 GiB', '8388608.0 TiB']
# |['0 seconds', '1 minute, 1 second', '1 hour', '1 day, 1 hour, 1 minute, 1 second', '24855 days, 3 hours, 14 minutes, 8 seconds']
# |['4.7n', '3.3m', '1', '47k', '2.2M', '999G']
# |3602879701896397/36028797018963968 311/99 5.0 135.0 True
import math
import re
from collections import deque
from fractions import Fraction

FACTORS = """
1 in = 2.54 cm
1 ft = 12 in
1 yd = 3 ft
1 mi = 1760 yd
1 km = 1000 m
1 m = 100 cm
1 lb = 16 oz
1 lb = 0.45359237 kg
1 kg = 1000 g
1 gal = 3.785411784 l
1 h = 60 min
1 min = 60 s
1 day = 24 h
1 KiB = 1024 B
1 MiB = 1024 KiB
1 GiB = 1024 MiB
"""
GRAPH = {}
for line in FACTORS.strip().splitlines():
    left, right = line.split(" = ")
    (a, x), (b, y) = left.split(), right.split()
    factor = Fraction(b) / Fraction(a)
    GRAPH.setdefault(x, {})[y] = factor
    GRAPH.setdefault(y, {})[x] = 1 / factor


class UnitError(ValueError):
    pass


def factor(source, target):
    queue = deque([(source, Fraction(1))])
    seen = {source}
    while queue:
        unit, product = queue.popleft()
        if unit == target:
            return product
        for other, step in GRAPH.get(unit, {}).items():
            if other not in seen:
                seen.add(other)
                queue.append((other, product * step))
    raise UnitError(f"no way from {source} to {target}")


def convert(text):
    match = re.fullmatch(r"\s*([-+]?\d+(?:\.\d+)?(?:/\d+)?(?:e[+-]?\d+)?)\s*(\w+)\s+(?:in|to)\s+(\w+)\s*", text)
    if not match:
        raise UnitError(f"cannot read {text!r}")
    amount, source, target = match.groups()
    return Fraction(amount) * factor(source, target), target


for question in ("26.2 mi to km", "180 lb to kg", "6 ft in cm", "5/3 h to s", "1.5 GiB to B", "1e6 s to day", "3 l to gal", "2 km to kg", "heavy"):
    try:
        value, unit = convert(question)
        print(f"{question:<15} = {float(value):,.6g} {unit}  (exactly {value.limit_denominator(10**6)})")
    except UnitError as error:
        print(f"{question:<15} ! {error}")

print("\n °C      °F       K")
for celsius in range(-40, 101, 35):
    print(f"{celsius:>3} {celsius * 9 / 5 + 32:>8.1f} {celsius + 273.15:>8.2f}")


def sized(count):
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1024


print([sized(n) for n in (0, 1023, 1024, 1536, 10**7, 2**31, 2**31 - 1, 10**12, 2**63)])


def lasting(seconds):
    parts = []
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' * (count != 1)}")
    return ", ".join(parts) or "0 seconds"


print([lasting(s) for s in (0, 61, 3600, 90061, 2**31)])


def engineering(x):
    exponent = math.floor(math.log10(abs(x)) / 3) * 3 if x else 0
    return f"{x / 10**exponent:.3g}{'pnµm kMGT'[exponent // 3 + 4].strip()}"


print([engineering(x) for x in (4.7e-9, 0.0033, 1, 47000, 2.2e6, 9.99e11)])
print(Fraction(0.1), Fraction("3.14159").limit_denominator(100), math.dist((0, 0), (3, 4)), math.degrees(math.atan2(1, -1)), math.isclose(0.1 + 0.2, 0.3))
