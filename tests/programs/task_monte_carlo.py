# Simulates with a seed: pi, dice, a queue, a random walk, birthday pairs.
# stdout:
# |    100 samples: 3.08000, error 0.06159
# |  1,000 samples: 3.13200, error 0.00959
# | 10,000 samples: 3.15400, error 0.01241
# | 2   99 ******
# | 3  193 ************
# | 4  332 **********************
# | 5  425 ****************************
# | 6  487 ********************************
# | 7  571 **************************************
# | 8  510 **********************************
# | 9  373 ************************
# |10  285 *******************
# |11  215 **************
# |12  110 *******
# |seed 0: mean wait 4.166, longest 15.746, none 31
# |seed 1: mean wait 6.464, longest 28.451, none 29
# |seed 2: mean wait 5.012, longest 18.501, none 45
# |walk ends at (-10, 54) farthest 66
# |10 people: 0.120
# |23 people: 0.500
# |40 people: 0.887
# |['6H', '2C', '7D', 'QS', '3C'] ['2D', 'TD', '3C', '3D']
# |696940304139701 938200004889 587037847892 [5644219119, 6241379376, 1287489453]
# |814972850484755067943 20eaa2c77d3e 1.567051 0.353373
# |[7.74843, 5.776232, 2.465434, 0.74004, 1.603829, 6.655289]
# |28 ['b', 'a', 'a', 'a', 'b', 'a', 'b', 'a', 'b', 'b'] ['z', 'z', 'z', 'z', 'z']
# |True [0.355464109540346, 0.6109195434830769, 0.49369299455698146]
import math
import random
import statistics
from collections import Counter


def pi(samples, rng):
    inside = sum(math.hypot(rng.random(), rng.random()) <= 1 for _ in range(samples))
    return 4 * inside / samples


rng = random.Random(2026)
for samples in (100, 1_000, 10_000):
    estimate = pi(samples, rng)
    print(f"{samples:>7,} samples: {estimate:.5f}, error {abs(estimate - math.pi):.5f}")

random.seed("dice")
rolls = Counter(sum(random.choices(range(1, 7), k=2)) for _ in range(3600))
for total in range(2, 13):
    print(f"{total:>2} {rolls[total]:>4} {'*' * (rolls[total] // 15)}")


def queue(seed, customers=200):
    rng = random.Random(seed)
    arrival = free = 0.0
    waits = []
    for _ in range(customers):
        arrival += rng.expovariate(1 / 3)
        start = max(arrival, free)
        waits.append(start - arrival)
        free = start + max(0.2, rng.gauss(2.5, 0.5))
    return waits


for seed in range(3):
    waits = queue(seed)
    print(f"seed {seed}: mean wait {statistics.fmean(waits):.3f}, longest {max(waits):.3f}, none {sum(w == 0 for w in waits)}")

random.seed(b"walk")
position = (0, 0)
farthest = 0
for _ in range(1000):
    dx, dy = random.choice([(0, 1), (1, 0), (0, -1), (-1, 0)])
    position = (position[0] + dx, position[1] + dy)
    farthest = max(farthest, abs(position[0]) + abs(position[1]))
print("walk ends at", position, "farthest", farthest)

random.seed(365)
for people in (10, 23, 40):
    hits = sum(len(set(random.choices(range(365), k=people))) < people for _ in range(2000))
    print(f"{people} people: {hits / 2000:.3f}")

random.seed(7)
deck = [f"{rank}{suit}" for suit in "SHDC" for rank in "23456789TJQKA"]
random.shuffle(deck)
print(deck[:5], random.sample(deck, 4))
print(random.randint(1, 10**15), random.randrange(0, 2**40, 7), random.choice(range(10**12)), random.sample(range(10**10), 3))
print(random.getrandbits(70), random.randbytes(6).hex(), f"{random.triangular(0, 10, 3):.6f}", f"{random.betavariate(2, 3):.6f}")
print([round(f(*a), 6) for f, a in ((random.gammavariate, (2, 3)), (random.vonmisesvariate, (0, 4)), (random.paretovariate, (3,)), (random.weibullvariate, (1, 2)), (random.lognormvariate, (0, 1)), (random.normalvariate, (5, 2)))])
print(random.binomialvariate(100, 0.3), random.choices("abc", weights=[5, 3, 1], k=10), random.choices("xyz", cum_weights=[1, 2, 10], k=5))
state = random.getstate()
first = [random.random() for _ in range(3)]
random.setstate(state)
print(first == [random.random() for _ in range(3)], first)
