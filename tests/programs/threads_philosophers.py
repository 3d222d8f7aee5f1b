# Philosophers dine.
# stdout:
# |[3, 3, 3, 3, 3]
import threading, time
forks = [threading.Lock() for _ in range(5)]; meals = [0] * 5
def dine(i):
    a, b = sorted((i, (i + 1) % 5))
    for _ in range(3):
        with forks[a], forks[b]:
            meals[i] += 1; time.sleep(0.001)
ts = [threading.Thread(target=dine, args=(i,)) for i in range(5)]
for t in ts: t.start()
for t in ts: t.join()
print(meals)
