# A seeded generator gives the same numbers everywhere.
# stdout:
# |[82, 15, 4, 95, 36] 0.017593
# |[892, 406, 863, 826] b
# |[6, 7, 2, 4, 0, 3, 1, 5]
import random

generator = random.Random(42)
print([generator.randint(1, 100) for _ in range(5)], round(generator.gauss(0, 1), 6))
random.seed("text")
print(random.sample(range(1000), 4), random.choice("abc"))
deck = list(range(8))
random.Random(7).shuffle(deck)
print(deck)
