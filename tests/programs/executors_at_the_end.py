# Executors that nobody shut down finish their work at the end, before exit functions.
# stdout:
# |x
# |1
# |del
# |after
# |3
# |True True
# |2 [4, 6]
# |map timeout
# |2000
# |[0, 1, 2, 3, 4, 5] 2
# |1
# |end
# |atexit [0, 1, 2, 3]
import threading, time, traceback, atexit, weakref, gc
from concurrent.futures import ThreadPoolExecutor, wait, ALL_COMPLETED, FIRST_EXCEPTION, Future
ex = ThreadPoolExecutor(2)


def job(n):
    time.sleep(0.3)
    jobs.append(n)


jobs = []
for i in range(4):
    ex.submit(job, i)
atexit.register(lambda: print('atexit', sorted(jobs)))
e2 = ThreadPoolExecutor(1, thread_name_prefix='gone')
e2.submit(print, 'x').result()
r = [t for t in threading.enumerate() if 'gone' in t.name]
print(len(r))


def bad():
    raise ValueError('bad')


class Res:

    def __del__(self):
        print('del')


with ThreadPoolExecutor(1) as e3:
    f = e3.submit(lambda r: None, Res())
    f.result()
    del f
    time.sleep(0.01)
    print('after')
fut = Future()
threading.Timer(0.01, lambda: fut.set_result(3)).start()
print(fut.result(2))
with ThreadPoolExecutor(3) as e4:
    d, nd = wait([e4.submit(time.sleep, 0.01), e4.submit(bad), e4.submit(time.sleep, 0.1)], return_when=FIRST_EXCEPTION)
    print(len(d) >= 1, len(nd) >= 1)
    it = e4.map(lambda x: x * 2, [1, 2, 3], timeout=3)
    print(next(it), list(it))
    try:
        list(e4.map(time.sleep, [0.2], timeout=0.01))
    except TimeoutError as e:
        print('map timeout')
lock = threading.Lock()
n = 0


def inc():
    global n
    for _ in range(100):
        with lock:
            n += 1


with ThreadPoolExecutor(8) as e5:
    for _ in range(20):
        e5.submit(inc)
print(n)
sem = threading.Semaphore(2)
peak = cur = 0


def limited(i):
    global peak, cur
    with sem:
        cur += 1
        peak = max(peak, cur)
        time.sleep(0.005)
        cur -= 1
    return i


with ThreadPoolExecutor(6) as e6:
    print(list(e6.map(limited, range(6))), peak)
cond = threading.Condition()
items = []


def take():
    with cond:
        while not items:
            cond.wait()
        return items.pop()


def give():
    with cond:
        items.append(1)
        cond.notify()


with ThreadPoolExecutor(2) as e7:
    a = e7.submit(take)
    b = e7.submit(give)
    print(a.result())
print('end')
