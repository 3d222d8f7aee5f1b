# A seed that is a float gives the sequence that it gives elsewhere.
# stdout:
# |1.5 0.551763726942059 263 [18, 74, 57]
# |0.0 0.8444218515250481 777 [53, 5, 33]
# |-2.25 0.9236205677220981 250 [1, 19, 93]
# |3.14159 0.6031876876175948 756 [59, 85, 61]
# |1e+300 0.2614143642581235 70 [89, 53, 19]
# |7.0 0.32383276483316237 155 [50, 83, 6]
# |0.8062579873336703 True True
import random

for seed in (1.5, 0.0, -2.25, 3.14159, 1e300, 7.0):
    random.seed(seed)
    print(seed, random.random(), random.randint(1, 1000), random.sample(range(100), 3))
rng = random.Random(0.1)
print(rng.random(), random.Random(7).random() == random.Random(7.0).random(), random.Random(True).random() == random.Random(1).random())
