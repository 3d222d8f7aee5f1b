# Clusters points with k-means, classifies with neighbours and naive Bayes, all by hand.
# stdout:
# |converged after 3 rounds
# |( 1.039,  0.792)  20 points, spread 0.8240
# |( 5.105,  4.184)  20 points, spread 0.8695
# |( 9.156,  1.011)  20 points, spread 0.9834
# |k=1 inertia   863.665
# |k=2 inertia   325.410
# |k=3 inertia    60.548
# |k=4 inertia    53.613
# |k=5 inertia    43.934
# |          low    mid   high
# |   low      7      0      0
# |   mid      0      6      0
# |  high      0      0      2
# |neighbours 15 bayes 15 of 15
# |                     m  m
# |                        m
# |                    mmm m
# |                      m m  m
# |                 m mm   mm
# |                         m
# |       l                             hh
# |   l lll                      h     h    h
# |     lllll                          hh h  hh
# |    l   ll                      h   h  hh
# |      l l
# |
# |a [2, 3] 2.5 2.000 129.3995 NormalDist(mu=4.0, sigma=4.47213595499958)
# |['-9.5389', '20.0256', '-16.4200'] 60/60
import math
import random
from collections import Counter, defaultdict
from operator import itemgetter
from statistics import NormalDist, fmean, median, mode, multimode, pstdev

random.seed(42)
CENTRES = {"low": (1, 1), "mid": (5, 4), "high": (9, 1)}
points = [(name, (random.gauss(x, 0.8), random.gauss(y, 0.8))) for name, (x, y) in CENTRES.items() for _ in range(20)]
random.shuffle(points)


def nearest(point, centres):
    return min(range(len(centres)), key=lambda i: math.dist(point, centres[i]))


def kmeans(data, k, rng):
    centres = [rng.choice(data)]
    while len(centres) < k:
        weights = [min(math.dist(p, c) for c in centres) ** 2 for p in data]
        centres += rng.choices(data, weights)
    for round_ in range(1, 100):
        groups = defaultdict(list)
        for p in data:
            groups[nearest(p, centres)].append(p)
        moved = [tuple(map(fmean, zip(*groups[i]))) if groups[i] else centres[i] for i in range(k)]
        if moved == centres:
            return centres, groups, round_
        centres = moved


data = [p for _, p in points]
centres, groups, rounds = kmeans(data, 3, random.Random(1))
print(f"converged after {rounds} rounds")
for i in sorted(range(3), key=lambda i: centres[i]):
    spread = fmean(math.dist(p, centres[i]) for p in groups[i])
    print(f"({centres[i][0]:6.3f}, {centres[i][1]:6.3f}) {len(groups[i]):>3} points, spread {spread:.4f}")
for k in range(1, 6):
    best = min(sum(math.dist(p, c[nearest(p, c)]) ** 2 for p in data) for c in (kmeans(data, k, random.Random(s))[0] for s in range(3)))
    print(f"k={k} inertia {best:9.3f}")

train, test = points[:45], points[45:]


def classify(point, k=5):
    close = sorted((math.dist(point, p), name) for name, p in train)[:k]
    return Counter(map(itemgetter(1), close)).most_common(1)[0][0]


models = {}
for name in CENTRES:
    mine = [p for n, p in train if n == name]
    models[name] = (len(mine) / len(train), [NormalDist.from_samples(axis) for axis in zip(*mine)])


def bayes(point):
    return max(models, key=lambda n: math.log(models[n][0]) + sum(math.log(d.pdf(v)) for d, v in zip(models[n][1], point)))


confusion = Counter((name, classify(p)) for name, p in test)
print(f"{'':>6}", *(f"{n:>6}" for n in CENTRES))
for actual in CENTRES:
    print(f"{actual:>6}", *(f"{confusion[actual, guess]:>6}" for guess in CENTRES))
print("neighbours", sum(classify(p) == n for n, p in test), "bayes", sum(bayes(p) == n for n, p in test), "of", len(test))

grid = [[" "] * 44 for _ in range(12)]
for name, (x, y) in points:
    column, row = round(x * 4) + 2, 11 - round((y + 1) * 1.6)
    if 0 <= row < 12 and 0 <= column < 44:
        grid[row][column] = name[0]
print("\n".join("".join(row).rstrip() for row in grid))
print(mode("abracadabra"), multimode([1, 2, 2, 3, 3]), median([3, 1, 2, 10]), f"{pstdev([2, 4, 4, 4, 5, 5, 7, 9]):.3f}", f"{NormalDist(100, 15).inv_cdf(0.975):.4f}", NormalDist(1, 2) + NormalDist(3, 4))


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


weights = [0.0, 0.0, 0.0]
labelled = [((1.0, x / 10, y / 10), name == "high") for name, (x, y) in points]
for epoch in range(300):
    for features, label in labelled:
        error = label - sigmoid(math.fsum(w * f for w, f in zip(weights, features)))
        weights = [w + 0.5 * error * f for w, f in zip(weights, features)]
right = sum((sigmoid(math.fsum(w * f for w, f in zip(weights, features))) > 0.5) == label for features, label in labelled)
print([f"{w:.4f}" for w in weights], f"{right}/{len(labelled)}")
