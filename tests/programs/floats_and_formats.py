# Formats numbers in the usual ways.
# stdout:
# |3.142 1e-07 1,234,567.89 25.6% 0xff 00000101 -3
# |003.1|ab    |    cd        r|   c    |l*******
# |True True 2 4 -4 2
# |1.0 1.0 5.0 10.0
import math

print(f"{math.pi:.3f} {1e-7:g} {1234567.891:,.2f} {0.256:.1%} {255:#x} {5:08b} {-3:+d}")
print("%05.1f|%-6s|%6s" % (3.14159, "ab", "cd"), "{:>8}|{:^8}|{:*<8}".format("r", "c", "l"))
print(float("inf") > 1e308, math.isnan(float("nan")), round(2.5), round(3.5), -7 // 2, -7 % 3)
print(math.fsum([0.1] * 10), sum([0.1] * 10), math.hypot(3, 4), math.log2(1024))
