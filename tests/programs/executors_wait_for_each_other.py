# Calls of an executor that wait for each other run in named threads, with all of the interface.
# stdout:
# |[(3, 'w_0'), (1, 'w_1'), (2, 'w_2')]
# |[1, 2, 3]
# |[0, 1, 2]
# |(True, 'ThreadPoolExecutor-0')
# |[0, 1, 2, 3, 4]
# |1025
# |E 1
# |ValueError(1) True False False
# |1 1
# |division by zero
# |['i', 'i', 'i', 'i', 'i', 'i']
# |True False True True
# |True True
# |cannot schedule new futures after shutdown
# |cancelled CancelledError
# |timeout TimeoutError()
# |cb ThreadPoolExecutor-4_0
# |True
# |BrokenThreadPool A thread initializer failed, the thread pool is not usable anymore
# |True
# |1
import threading, time, queue, concurrent.futures as cf
from concurrent.futures import ThreadPoolExecutor, as_completed, wait, FIRST_COMPLETED, FIRST_EXCEPTION


def name():
    return threading.current_thread().name


with ThreadPoolExecutor(max_workers=3, thread_name_prefix='w') as ex:

    def slow(n):
        time.sleep(0.02 * n)
        return (n, name())
    fs = [ex.submit(slow, n) for n in (3, 1, 2)]
    print([f.result() for f in fs])
    print([f.result()[0] for f in as_completed([ex.submit(slow, n) for n in (3, 1, 2)])])
ev = threading.Event()
b = threading.Barrier(3)
with ThreadPoolExecutor(3) as ex:
    print(sorted((f.result() for f in [ex.submit(b.wait) for _ in range(3)])))
    a = ex.submit(lambda: (ev.wait(5), name().split('_')[0]))
    c = ex.submit(lambda: ev.set())
    print(a.result())
    q = queue.Queue()

    def consumer():
        out = []
        while (x := q.get()) is not None:
            out.append(x)
        return out

    def producer():
        for i in range(5):
            q.put(i)
            time.sleep(0.001)
        q.put(None)
    x = ex.submit(consumer)
    ex.submit(producer)
    print(x.result())
    outer = ex.submit(lambda: ex.submit(pow, 2, 10).result() + 1)
    print(outer.result())


def boom(x):
    raise ValueError(x)


with ThreadPoolExecutor(2) as ex:
    f = ex.submit(boom, 1)
    try:
        f.result()
    except ValueError as e:
        print('E', e)
    print(repr(f.exception()), f.done(), f.running(), f.cancelled())
    done, pending = wait([ex.submit(time.sleep, 0.01), ex.submit(time.sleep, 0.2)], return_when=FIRST_COMPLETED)
    print(len(done), len(pending))
    try:
        list(ex.map(lambda x: 1 / x, [1, 0, 2]))
    except ZeroDivisionError as e:
        print(e)
loc = threading.local()


def init(v):
    loc.v = v
    loc.n = 0


def use(i):
    loc.n += 1
    time.sleep(0.002)
    return loc.v


with ThreadPoolExecutor(2, initializer=init, initargs=('i',)) as ex:
    print(list(ex.map(use, range(6))))
ex = ThreadPoolExecutor(1)
g = threading.Event()
f1 = ex.submit(g.wait)
f2 = ex.submit(print, 'never')
f3 = ex.submit(print, 'never')
print(f1.running(), f2.running(), f2.cancel(), f2.cancelled())
ex.shutdown(wait=False, cancel_futures=True)
g.set()
print(f1.result(), f3.cancelled())
try:
    ex.submit(print)
except RuntimeError as e:
    print(e)
try:
    f3.result()
except cf.CancelledError as e:
    print('cancelled', type(e).__name__)
with ThreadPoolExecutor(1) as ex:
    f = ex.submit(time.sleep, 1)
    try:
        f.result(timeout=0.01)
    except TimeoutError as e:
        print('timeout', repr(e))
    f.add_done_callback(lambda f: print('cb', name()))
print(ThreadPoolExecutor()._max_workers > 0)


def bad():
    raise RuntimeError('init')


import logging
logging.getLogger('concurrent.futures').setLevel(logging.CRITICAL + 1)
with ThreadPoolExecutor(2, initializer=bad) as ex:
    try:
        f = ex.submit(pow, 2, 2)
        f.result()
    except cf.BrokenExecutor as e:
        print(type(e).__name__, e)
with ThreadPoolExecutor(20) as ex:
    t = time.monotonic()
    list(ex.map(time.sleep, [0.5] * 20))
    print(time.monotonic() - t < 5)
print(threading.active_count())
