# Threads that wait inside of comprehensions and of what consumes generators.
# stdout:
# |{'l': [0, 1, 2, 3, 4, 5]}
# |[0, 1, 2, 3, 4, 5]
# |{0: 1, 2: 3, 4: 5}
# |[[0, 1], [3, 4], [6, 7]]
# |15
# |[0, 2, 4]
# |0,1,2,3,4,5
# |[0, 1, 2, 3, 4, 5]
# |fail
# |8
# |[3, 6]
import threading, queue, time
from concurrent.futures import ThreadPoolExecutor
q = queue.Queue(2)
e = threading.Event()
out = {}


def put():
    [q.put(i) for i in range(6)]


def get():
    out['l'] = [q.get() for _ in range(6)]


def run(*fs):
    ts = [threading.Thread(target=f) for f in fs]
    [t.start() for t in ts]
    [t.join(5) for t in ts]


run(put, get)
print(out)
run(put, lambda: out.update(s={q.get() for _ in range(6)}))
print(sorted(out['s']))
run(put, lambda: out.update(d={q.get(): q.get() for _ in range(3)}))
print(out['d'])
run(put, lambda: out.update(n=[[q.get() + x for y in range(2)] for x in range(3)]))
print(out['n'])
run(put, lambda: out.update(t=sum((q.get() for _ in range(6))), u=0))
print(out['t'])


def cond(k):
    base = 10
    return sorted([v + base + k for v in range(6) if (w := q.get()) >= 0 or True]) if False else [v for v in range(6) if q.get() % 2 == 0]


run(put, lambda: out.update(c=cond(1)))
print(out['c'])


def strs():
    out['j'] = ','.join((str(q.get()) for _ in range(6)))


run(put, strs)
print(out['j'])


class B:

    def __init__(s):
        s.__q = q

    def take(s, n):
        return [s.__q.get() for _ in range(n)]


run(put, lambda: out.update(b=B().take(6)))
print(out['b'])


def fail():
    return [1 / (3 - q.get()) for _ in range(6)]


import traceback


def guarded():
    try:
        fail()
    except ZeroDivisionError as x:
        out['f'] = [f.name for f in traceback.extract_tb(x.__traceback__)][-1]
        [q.get() for _ in range(2)]


run(put, guarded)
print(out['f'])
with ThreadPoolExecutor(4) as ex:

    def tree(d):
        return 1 if d == 0 else sum((f.result() for f in [ex2.submit(tree, d - 1) for _ in range(2)]))
    ex2 = ThreadPoolExecutor(40)
    print(ex.submit(tree, 3).result())

    def two():
        return [a + b for a in (1, 2) for b in [ex.submit(pow, 2, a).result()] if b > 0]
    print(ex.submit(two).result())
