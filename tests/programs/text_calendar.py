# Prints a calendar and colour conversions.
# stdout:
# |   February 2026
# |Mo Tu We Th Fr Sa Su
# |                   1
# | 2  3  4  5  6  7  8
# | 9 10 11 12 13 14 15
# |16 17 18 19 20 21 22
# |23 24 25 26 27 28
# | False (calendar.THURSDAY, 29)
# |[0.5, 0.5, 0.4]
import calendar
import colorsys

print(calendar.month(2026, 2), calendar.isleap(2100), calendar.monthrange(2024, 2))
print([round(part, 3) for part in colorsys.rgb_to_hsv(0.2, 0.4, 0.4)])
