# Thread-local values, context variables and locks of each kind.
# stdout:
# |True
# |d False
# |d c
# |[5, 9] 5
# |200 False
# |Semaphore released too many times
# |re
# |cannot release un-acquired lock
# |MainThread True 1
import threading, contextvars, contextlib, time
from concurrent.futures import ThreadPoolExecutor
cv = contextvars.ContextVar('cv', default='d')
tl = threading.local()


def f(i):
    tl.x = i
    cv.set(i)
    time.sleep(0.002)
    return tl.x == i and cv.get() == i


with ThreadPoolExecutor(4) as ex:
    print(all(ex.map(f, range(8))))
print(cv.get(), hasattr(tl, 'x'))
ctx = contextvars.copy_context()
t = threading.Thread(target=ctx.run, args=(cv.set, 'c'))
t.start()
t.join()
print(cv.get(), ctx[cv])


class L(threading.local):

    def __init__(self, v):
        self.v = v


l = L(5)
r = []
t = threading.Thread(target=lambda: (r.append(l.v), setattr(l, 'v', 9), r.append(l.v)))
t.start()
t.join()
print(r, l.v)


@contextlib.contextmanager
def locked(lk):
    lk.acquire()
    try:
        yield
    finally:
        lk.release()


lk = threading.Lock()
n = 0


def inc():
    global n
    for _ in range(50):
        with locked(lk):
            v = n
            n = v + 1


ts = [threading.Thread(target=inc) for _ in range(4)]
[t.start() for t in ts]
[t.join() for t in ts]
print(n, lk.locked())
s = threading.BoundedSemaphore(1)
with s:
    pass
try:
    s.release()
except ValueError as e:
    print(e)
rl = threading.RLock()
with rl:
    with rl:
        print('re')
try:
    rl.release()
except RuntimeError as e:
    print(e)
print(threading.current_thread().name, threading.main_thread() is threading.current_thread(), threading.active_count())
