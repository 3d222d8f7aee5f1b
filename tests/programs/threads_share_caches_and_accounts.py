# Caches, singletons and transfers between accounts in several threads.
# stdout:
# |[2, 4, 2, 4] [1, 2]
# |1
# |80 120
import functools, threading, time
from concurrent.futures import ThreadPoolExecutor
calls = []


@functools.lru_cache(None)
def slow(x):
    calls.append(x)
    return x * 2


with ThreadPoolExecutor(3) as ex:
    print(list(ex.map(slow, [1, 2, 1, 2])), sorted(set(calls)))


class Singleton:
    _i = None
    _l = threading.Lock()

    def __new__(cls):
        with cls._l:
            if cls._i is None:
                cls._i = super().__new__(cls)
                time.sleep(0.001)
        return cls._i


with ThreadPoolExecutor(5) as ex:
    print(len({id(f.result()) for f in [ex.submit(Singleton) for _ in range(5)]}))


class Account:

    def __init__(self, b):
        self.b = b
        self.lock = threading.Lock()

    def transfer(self, o, a):
        first, second = sorted((self, o), key=id)
        with first.lock, second.lock:
            self.b -= a
            o.b += a


A, B = (Account(100), Account(100))


def t1():
    [A.transfer(B, 1) for _ in range(50)]


def t2():
    [B.transfer(A, 1) for _ in range(30)]


ts = [threading.Thread(target=f) for f in (t1, t2)]
[t.start() for t in ts]
[t.join() for t in ts]
print(A.b, B.b)
