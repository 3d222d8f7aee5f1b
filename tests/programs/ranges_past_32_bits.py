# Ranges and classes may be longer than 32 bits say.
# stdout:
# |1000000000000 1000000000000 True 999999999999 500000000000 range(2, 100000000000, 7)
# |999999999999 True 100000000000 1
# |{1000000000000}
# |623347347957 [3280387012, 1095513148, 6225516707, 7093537819, 3387541014] [93859586774, 28347476522] 438889117692850
# |12345678901234567
# |10000000000 8
# |1000000000000 True False 1
# |OverflowError Python int too large to convert to C ssize_t
# |IndexError range object index out of range
# |IndexError list index out of range
# |IndexError string index out of range
# |IndexError cannot fit 'int' into an index-sized integer
import bisect
import random

wide = range(10**12)
print(len(wide), wide.__len__(), bool(wide), wide[-1], wide[5 * 10**11], wide[2 : 10**11 : 7])
print(next(reversed(wide)), 10**11 in wide, wide.index(10**11), wide.count(5))


def lengths():
    # Often enough to be specialised by the interpreter.
    return {len(wide) for _ in range(100)}


print(lengths())
random.seed(1)
print(random.choice(wide), random.sample(range(10**10), 5), random.choices(wide, k=2), random.randrange(10**15))
print(bisect.bisect_left(range(10**18), 12345678901234567))
print(bisect.bisect_left(wide, True, key=lambda x: x * x >= 10**20), bisect.bisect(wide, 7, lo=2, hi=10**11))


class Squares:
    def __len__(self):
        return 10**12

    def __getitem__(self, index):
        return index * index


print(len(Squares()), bool(Squares()), not Squares(), Squares()[-1])
for attempt in (lambda: len(range(2**64)), lambda: wide[10**12], lambda: [1][10**12], lambda: "abc"[-(2**62)], lambda: [][2**70]):
    try:
        attempt()
    except Exception as error:
        print(type(error).__name__, error)
