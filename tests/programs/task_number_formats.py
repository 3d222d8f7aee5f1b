# Converts numbers: bases, roman numerals, words, bits, Gray code, check digits, formats.
# stdout:
# |                    0                    0                 0               0 0
# |                  255             11111111                ff              73 47
# |                -4096       -1000000000000             -1000            -35s -144
# |           2147483648 00000000000000000000          80000000          zik0zk 2lkCB2
# |  9223372036854775807 11111111111111111111  7fffffffffffffff   1y2p0ij32e8e7 aZl8N0y58M7
# |100000000000000000000 00000000000000000000 56bc75e2d63100000   l3r41ifs0q5ts 1V973MbJYWoU
# |['IV', 'IX', 'XL', 'MCMXCIV', 'MMXXVI', 'MMMCMXCIX'] True MDCCCLXXXVIII
# |            7 seven
# |           21 twenty-one
# |          342 three hundred and forty-two
# |        1,001 one thousand and one
# |       12,345 twelve thousand three hundred and forty-five
# |    1,000,042 one million and forty-two
# |2,147,483,648 two billion one hundred and forty-seven million four hundred and eighty-three thousand six hundred and forty-eight
# |['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th']
# |['000', '001', '011', '010', '110', '111', '101', '100'] [0, 1, 1, 2, 1, 2, 2, 3, 1] 8 0b1101_1110_1010_1101_1011_1110_1110_1111
# |0x1e6a2c48 0x18 [1, 2, 4, 8, 16, 32] 16 [1, 2, 4] 11111011
# |True False True True False
# |1,234,567.89|1_234_567.9|1.234568e+06|1.23e+06|      1234567.9|1234567.9      |  +1234567.9   |0000001234567.9|*****1234568|123456789.100000%
# |101010 52 0x2a 2A * 0042.000 -   42 42 1e+100 1   x y |long|  3.0|'\xfc'
# |0.10000000000000000555 33.333% 10000000000000000 1e-07 1e+16 123456789012345678 9007199254740992.0 5e-324 1.7976931348623157e+308 -0.0 inf nan
# |(3+6j) (1-2j) -4.0+0.0j 5.0  3.14|ab      |+5|ff|10|1.234568e+04|%|'q'|A|00042
# |a b a      'n' 2 0.0     3.14
# |      3.1416|     1+1=2|nested quotes|['00', '01', '02']|v = 1234567.9
# |42 -31 3 1000 1000.0 -inf 10.5 5.01 0 2 4 True (1, 2)
# |invalid literal for int() with base 0: '12a'
# |invalid literal for int() with base 0: ''
# |invalid literal for int() with base 0: '1__0'
# |invalid literal for int() with base 0: '0x'
# |12
# |. 1234.50 C C
# |locale.Error: unsupported locale setting
import locale
import math
from itertools import cycle


def to_base(number, base, digits="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
    if number < 0:
        return "-" + to_base(-number, base)
    text = ""
    while True:
        number, rest = divmod(number, base)
        text = digits[rest] + text
        if not number:
            return text


for number in (0, 255, -4096, 2**31, 2**63 - 1, 10**20):
    print(f"{number:>21} {to_base(number, 2)[-20:]:>20} {number:>17x} {to_base(number, 36):>15} {to_base(number, 62)}")
    assert int(to_base(number, 36), 36) == number

ROMAN = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]


def roman(number):
    text = ""
    for value, sign in ROMAN:
        count, number = divmod(number, value)
        text += sign * count
    return text


def arabic(text):
    values = [dict((s, v) for v, s in ROMAN)[c] for c in text]
    return sum(-v if v < following else v for v, following in zip(values, [*values[1:], 0]))


print([roman(n) for n in (4, 9, 40, 1994, 2026, 3999)], all(arabic(roman(n)) == n for n in range(1, 4000)), max((roman(n) for n in range(1, 2100)), key=len))
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def words(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (f"-{ONES[n % 10]}" if n % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            head, rest = divmod(n, size)
            return f"{words(head)} {name}" + (f"{' and' if size == 100 or rest < 100 else ''} {words(rest)}" if rest else "")


for n in (7, 21, 342, 1001, 12_345, 1_000_042, 2_147_483_648):
    print(f"{n:>13,} {words(n)}")
ordinal = lambda n: f"{n}{'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
print([ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)])

gray = [n ^ n >> 1 for n in range(8)]
print([f"{g:03b}" for g in gray], [bin(n).count("1") for n in range(9)], (0b1011_0000).bit_length(), f"{0xDEADBEEF:#_b}")


def reverse_bits(n, width=32):
    return int(f"{n:0{width}b}"[::-1], 2)


def rotate(n, by, width=32):
    return (n << by | n >> width - by) & (1 << width) - 1


print(hex(reverse_bits(0x12345678)), hex(rotate(0x80000001, 4)), [n for n in range(1, 40) if n & n - 1 == 0], 0xF0 & -0xF0, [i for i in range(8) if 0b10110 >> i & 1], f"{-5 & 0xFF:08b}")


def luhn(text):
    digits = [int(d) for d in text if d.isdigit()]
    return sum(sum(divmod(d * f, 10)) for d, f in zip(reversed(digits), cycle((1, 2)))) % 10 == 0


def isbn13(text):
    digits = [int(d) for d in text if d.isdigit()]
    return sum(d * f for d, f in zip(digits, cycle((1, 3)))) % 10 == 0


def iban(text):
    text = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


print(luhn("4539 1488 0343 6467"), luhn("8273 1232 7352 0569"), isbn13("978-0-306-40615-7"), iban("GB82 WEST 1234 5698 7654 32"), iban("GB82 WEST 1234 5698 7654 33"))
v = 1234567.891
print(f"{v:,.2f}|{v:_.1f}|{v:e}|{v:.3g}|{v:15.1f}|{v:<15.1f}|{v:^+15.1f}|{v:015.1f}|{v:*>12.0f}|{v:%}")
print(f"{42:b} {42:o} {42:#x} {42:X} {42:c} {42:08.3f} {-42:=+6d} {42:n} {1e100:n} {True:d} {'x':>3}{'y':^3}|{'long text':.4}|{3.0!r:>5}|{'ü'!a}")
print(f"{0.1:.20f} {1/3:.3%} {1e16:.0f} {1e-7} {1e16} {123456789012345678} {float(2**53)} {5e-324} {1.7976931348623157e308} {-0.0} {math.inf} {math.nan:.2f}")
print(f"{(1+2j)*3} {complex('1-2j')} {2j**2:.1f} {abs(3+4j)}", "%5.2f|%-8s|%+d|%x|%o|%e|%%|%r|%c|%05d" % (3.14159, "ab", 5, 255, 8, 12345.678, "q", 65, 42))
print("{0} {1} {0} {name!r:>8} {list[1]} {obj.real:.1f} {:{w}.{p}}".replace("{:", "{2:").format("a", "b", 3.14159, name="n", list=[1, 2], obj=5j, w=8, p=3))
width, precision = 12, 4
print(f"{math.pi:{width}.{precision}f}|{f'{1+1=}':>10}|{'nested ' + f'{'quotes'}'}|{[f'{n:02}' for n in range(3)]}|{v = :.1f}")
print(int(" 42\n"), int("-0x1F", 16), int("0b11", 0), int("1_000"), float("1e3"), float(" -inf "), float("1_0.5"), round(5.015, 2), round(-0.4), f"{2.5:.0f} {3.5:.0f}", 7.0.is_integer(), (0.5).as_integer_ratio())
for bad in ("12a", "", "1__0", "0x", "１２"):
    try:
        print(int(bad, 0) if bad != "１２" else int(bad))
    except ValueError as error:
        print(error)
print(locale.localeconv()["decimal_point"], locale.format_string("%.2f", 1234.5, grouping=True), locale.setlocale(locale.LC_NUMERIC), locale.setlocale(locale.LC_ALL, "C"))
try:
    locale.setlocale(locale.LC_ALL, "xx_XX.UTF-8")
except locale.Error as error:
    print("locale.Error:", str(error)[:26])
