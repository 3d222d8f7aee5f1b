# multiprocessing's pools of threads, and what a pool of processes does with copies.
# stdout:
# |[0, 1, 4, 9, 16, 25, 36]
# |[(3,), (7,)]
# |[0, 1, 4, 9] [0, 1, 4, 9]
# |False
# |cb 25
# |25 True True
# |[0, 1, 4]
# |err division by zero
# |division by zero
# |TimeoutError
# |[True, True, True]
# |[1, 4]
# |Pool not running
# |[0, 1, 4, 9, 16]
# |[1] []
# |PicklingError Can't pickle <function <l
# |KeyError(1) _RemoteTraceback
# |[0, 1, 4]
import threading, time, os
from multiprocessing.pool import ThreadPool
from multiprocessing.dummy import Pool, Process, current_process
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool


def f(x):
    time.sleep(0.01)
    return x * x


def g(a, b):
    return (a + b,)


with ThreadPool(3) as p:
    print(p.map(f, range(7)))
    print(p.starmap(g, [(1, 2), (3, 4)]))
    print(list(p.imap(f, range(4))), sorted(p.imap_unordered(f, range(4))))
    r = p.apply_async(f, (5,), callback=lambda v: print('cb', v))
    print(r.ready())
    print(r.get(2), r.successful(), r.ready())
    r = p.map_async(f, range(3))
    r.wait()
    print(r.get())
    e = p.apply_async(lambda: 1 / 0, error_callback=lambda e: print('err', e))
    try:
        e.get()
    except ZeroDivisionError as x:
        print(x)
    try:
        p.apply_async(time.sleep, (1,)).get(0.01)
    except Exception as x:
        print(type(x).__name__)
    b = threading.Barrier(3)
    print(p.map(lambda i: b.wait() >= 0, range(3), chunksize=1))
p = Pool(2)
print(p.map(f, [1, 2]))
p.close()
p.join()
try:
    p.map(f, [1])
except ValueError as x:
    print(x)


def sq(x):
    return x * x


def add(l):
    l.append(1)
    return l


def bad(x):
    raise KeyError(x)


if __name__ == '__main__':
    with ProcessPoolExecutor(2) as ex:
        print(list(ex.map(sq, range(5), chunksize=2)))
        l = []
        print(ex.submit(add, l).result(), l)
        try:
            ex.submit(lambda: 1).result()
        except Exception as e:
            print(type(e).__name__, str(e)[:25])
        try:
            ex.submit(bad, 1).result()
        except KeyError as e:
            print(repr(e), type(e.__cause__).__name__)
        print(sorted((x.result() for x in as_completed([ex.submit(sq, i) for i in range(3)]))))
