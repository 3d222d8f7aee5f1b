# A pipeline of workers between queues, and calls that try again.
# stdout:
# |[1, 4, 9, 16, 25] [5, 5]
# |['ok0 after 3', 'ok1 after 3', 'ok2 after 3', 'ok3 after 3']
import threading, queue, time
from concurrent.futures import ThreadPoolExecutor
q1, q2, q3 = (queue.Queue(), queue.Queue(), queue.Queue())
STOP = object()


def stage(src, dst, fn):
    n = 0
    while True:
        x = src.get()
        if x is STOP:
            dst.put(STOP)
            return n
        dst.put(fn(x))
        n += 1


with ThreadPoolExecutor(3) as ex:
    c = [ex.submit(stage, q1, q2, lambda x: x + 1), ex.submit(stage, q2, q3, lambda x: x * x)]
    for i in range(5):
        q1.put(i)
    q1.put(STOP)
    out = []
    while (x := q3.get()) is not STOP:
        out.append(x)
    print(out, [f.result() for f in c])
attempts = {}
lock = threading.Lock()


def flaky(i):
    with lock:
        attempts[i] = attempts.get(i, 0) + 1
        n = attempts[i]
    if n < 3:
        raise ConnectionError(i)
    return f'ok{i} after {n}'


def retry(fn, *a, tries=5, delay=0.001):
    for k in range(tries):
        try:
            return fn(*a)
        except ConnectionError:
            time.sleep(delay * 2 ** k)
    raise RuntimeError


with ThreadPoolExecutor(4) as ex:
    print(list(ex.map(lambda i: retry(flaky, i), range(4))))
