# Calls of executors that use executors, barriers and latches.
# stdout:
# |[13, 21, 34]
# |16
# |16
# |all here
# |all here
# |[0, 1, 2, 3]
# |[0, 1, 2, 3, 4]
from concurrent.futures import ThreadPoolExecutor
import threading, time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def outer(n):
    with ThreadPoolExecutor(2) as inner:
        a = inner.submit(fib, n)
        b = inner.submit(fib, n + 1)
        return a.result() + b.result()


with ThreadPoolExecutor(3) as ex:
    print(list(ex.map(outer, [5, 6, 7])))


def tree(ex, d):
    if d == 0:
        return 1
    fs = [ex.submit(tree, ex, d - 1) for _ in range(2)]
    return sum((f.result() for f in fs))


with ThreadPoolExecutor(64) as ex:
    print(ex.submit(tree, ex, 4).result())


def tree2(ex, d):
    if d == 0:
        return 1
    total = 0
    for f in [ex.submit(tree2, ex, d - 1) for _ in range(2)]:
        total += f.result()
    return total


with ThreadPoolExecutor(64) as ex:
    print(ex.submit(tree2, ex, 4).result())
b = threading.Barrier(4, action=lambda: print('all here'))


def meet(i):
    time.sleep(0.002 * i)
    k = b.wait()
    b.wait()
    return i


with ThreadPoolExecutor(4) as ex:
    print(sorted(ex.map(meet, range(4))))
latch = threading.Event()
hits = []


def w(i):
    latch.wait()
    hits.append(i)


with ThreadPoolExecutor(5) as ex:
    for i in range(5):
        ex.submit(w, i)
    latch.set()
print(sorted(hits))
