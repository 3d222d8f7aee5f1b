# Keeps a gradebook: weights, letter grades by bisect, ranks with ties, a histogram, a curve.
# file grades.tsv:
# |student	homework	midterm	final
# |Ann	92	88	95
# |Bo	75	absent	64
# |Cem	88	91	87
# |Dana	100	79	90.5
# |Elif	59.5	61	58
# |Farid	88	91	87
# stdout:
# |Student   Homework   Midterm     Final   Total Grade Rank
# |=========================================================
# |Ann           92.0      88.0      95.0   92.00   A      1
# |Dana         100.0      79.0      90.5   89.90   B      2
# |Cem           88.0      91.0      87.0   88.50   B      3
# |Farid         88.0      91.0      87.0   88.50   B      3
# |Bo            75.0         -      64.0   68.71   D      5
# |Elif          59.5      61.0      58.0   59.35   F      6
# |---------------------------------------------------------
# |Mean         83.75     82.00     80.25   81.16
# |Median       88.00     88.00     87.00   88.50
# |Stdev        14.37     12.73     15.32   13.65
# |Max         100.00     91.00     95.00   92.00
# | 50-59  ▇▇ 2
# | 60-69  ▇▇ 2
# | 70-79  ▇▇ 2
# | 80-89  ▇▇▇▇▇ 5
# | 90-100 ▇▇▇▇▇▇ 6
# |{'A': ['Ann'], 'B': ['Cem', 'Dana', 'Farid'], 'D': ['Bo'], 'F': ['Elif']}
# |{'Ann': (95.92, 'A'), 'Bo': (82.89, 'B'), 'Cem': (94.07, 'A'), 'Dana': (94.82, 'A'), 'Elif': (77.04, 'C'), 'Farid': (94.07, 'A')}
# |{'Ann': 0.794, 'Bo': -0.912, 'Cem': 0.538, 'Dana': 0.64, 'Elif': -1.597, 'Farid': 0.538} 0.2587
# |['73.661', '88.500', '89.550'] 3 ['Bo', 'Elif']
# |FACCBAA 1 2
# |[5, 4, 3, 1, 1] 1
# |2.67 0 2 -2 1200.0 0.30000000000000004 60.0 1.0 1.0
# |0.949434 -0.8
import bisect
import csv
import math
import statistics
from collections import Counter, defaultdict

WEIGHTS = {"homework": 0.3, "midterm": 0.3, "final": 0.4}
BOUNDS, LETTERS = [60, 70, 80, 90], "FDCBA"


def number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan


with open("grades.tsv", newline="") as file:
    table = {row.pop("student"): {k: number(v) for k, v in row.items()} for row in csv.DictReader(file, delimiter="\t")}


def weighted(scores):
    known = {k: v for k, v in scores.items() if not math.isnan(v)}
    return sum(WEIGHTS[k] * v for k, v in known.items()) / sum(WEIGHTS[k] for k in known)


totals = {name: weighted(scores) for name, scores in table.items()}
letter = lambda score: LETTERS[bisect.bisect(BOUNDS, score)]
ordered = sorted(totals.values(), reverse=True)
rank = {name: ordered.index(score) + 1 for name, score in totals.items()}
head = f"{'Student':<8}" + "".join(f"{name.title():>10}" for name in WEIGHTS) + f"{'Total':>8} Grade Rank"
print(head, "=" * len(head), sep="\n")
for name in sorted(table, key=lambda n: (rank[n], n)):
    cells = "".join(f"{'-' if math.isnan(v) else format(v, '.1f'):>10}" for v in table[name].values())
    print(f"{name:<8}{cells}{totals[name]:>8.2f} {letter(totals[name]):^5} {rank[name]:>4}")
print("-" * len(head))
for label, function in (("Mean", statistics.fmean), ("Median", statistics.median), ("Stdev", statistics.stdev), ("Max", max)):
    cells = "".join(f"{function([s[k] for s in table.values() if not math.isnan(s[k])]):>10.2f}" for k in WEIGHTS)
    print(f"{label:<8}{cells}{function(totals.values()):>8.2f}")

bins = Counter(min(int(v // 10), 9) for s in table.values() for v in s.values() if v == v)
for decade in range(5, 10):
    print(f"{decade * 10:>3}-{decade * 10 + 9 + (decade == 9):<3} {'▇' * bins[decade]} {bins[decade] or ''}".rstrip())
groups = defaultdict(list)
for name, total in totals.items():
    groups[letter(total)].append(name)
print(dict(sorted(groups.items())))
curved = {name: min(100, 10 * math.sqrt(total)) for name, total in totals.items()}
print({name: (round(c, 2), letter(c)) for name, c in curved.items()})
z = statistics.NormalDist.from_samples(totals.values())
print({name: round(z.zscore(t), 3) for name, t in totals.items()}, f"{1 - z.cdf(90):.4f}")
quartiles = statistics.quantiles(totals.values(), n=4, method="inclusive")
print([f"{q:.3f}" for q in quartiles], statistics.mode(rank.values()), [n for n, t in totals.items() if t < quartiles[0]])
scores = [33, 99, 77, 70, 89, 90, 100]
print("".join(map(letter, scores)), bisect.bisect_left(BOUNDS, 70), bisect.bisect_right(BOUNDS, 70))
line = []
for value in (5, 1, 4, 1, 3):
    bisect.insort(line, value, key=lambda v: -v)
print(line, bisect.bisect([("a", 1), ("b", 2)], 1, key=lambda p: p[1]))
print(round(2.675, 2), round(0.5), round(1.5), round(-2.5), round(1234.5678, -2), f"{0.1 + 0.2:.17f}", f"{59.9999:.1f}", math.fsum([0.1] * 10), sum([0.1] * 10))
print(correlation := round(statistics.correlation([s["homework"] for s in table.values()], list(totals.values())), 6), statistics.correlation([1, 2, 3, 4], [10, 9, 2, 5], method="ranked"))
