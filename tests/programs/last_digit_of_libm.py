# Functions of the C library's mathematics may differ in the last digit, and nothing else.
# differs: another C library rounds the last digit of some results the other way
# stdout:
# |3.0 1.2599210498948732 2.154434690031884 6.0 0.28333089323481 1.7743875942307115
# |2564.6046442221327 -0.012909906458836213
# |7825.744794786274 7825.744795
# |[True, True, True] 2.0 0.49999999999999994 2.718281828459045 2.302585092994046 24.0
import math

print(math.cbrt(27), math.cbrt(2), math.cbrt(10), math.cbrt(216), math.tanh(0.2913), math.atan2(3.1, -0.64))
print(sum(math.log10(n) for n in range(1, 1000)), sum(math.sin(n) for n in range(1000)))


def distance(a, b):
    (lat1, lon1), (lat2, lon2) = (map(math.radians, place) for place in (a, b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(h))


tokyo_sydney = distance((35.68, 139.69), (-33.87, 151.21))
print(tokyo_sydney, f"{tokyo_sydney:.6f}")
print([math.log10(10**n) == n for n in (3, 15, 23)], math.cbrt(8), math.sin(math.pi / 6), math.exp(1), math.log(10), math.gamma(5))
