# Threads that wait below decorators, in what tables, queues and attributes hold, and in context managers.
# stdout:
# |[0, 1, 2] [True, True]
# |[7]
# |True set
# |open
# |[0, 1, 2, 3, 4, 5] True
# |[11, 22, 33]
# |[(0, 'x'), (0, 'y'), (1, 'x'), (1, 'y')]
# |['C', 'stop by C'] ['stop by A']
import threading, queue, time, functools, contextlib, random
from concurrent.futures import ThreadPoolExecutor


def timed(fn):

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        try:
            return fn(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - start >= 0)
    return wrapper


def retry(times):

    def deco(func):

        @functools.wraps(func)
        def inner(*a, **k):
            for n in range(times):
                try:
                    return func(*a, **k)
                except ConnectionError:
                    time.sleep(0.001)
        return inner
    return deco


class Logged:

    def __init__(self, f):
        self.f = f
        functools.update_wrapper(self, f)

    def __call__(self, *a):
        return self.f(*a)


times = []
q = queue.Queue()
out = []


@timed
def consumer():
    while (x := q.get()) is not None:
        out.append(x)


@timed
@retry(3)
def producer():
    for i in range(3):
        q.put(i)
    q.put(None)


c = threading.Thread(target=consumer)
c.start()
p = threading.Thread(target=producer)
p.start()
c.join()
p.join()
print(out, times)


@Logged
def logged():
    return q.get()


r = []
t = threading.Thread(target=lambda: r.append(logged()))
t.start()
q.put(7)
t.join()
print(r)


class Pool:

    def __init__(self, n):
        self.q = queue.Queue()
        self.results = {}
        self.cv = threading.Condition()
        self.ts = [threading.Thread(target=self.worker, daemon=True) for _ in range(n)]
        for t in self.ts:
            t.start()

    def worker(self):
        while True:
            key, func, args = self.q.get()
            if func is None:
                break
            value = func(*args)
            with self.cv:
                self.results[key] = value
                self.cv.notify_all()
            self.q.task_done()

    def submit(self, key, func, *args):
        self.q.put((key, func, args))

    def wait_for(self, key):
        with self.cv:
            self.cv.wait_for(lambda: key in self.results)
            return self.results[key]


pool = Pool(2)
ev = threading.Event()
pool.submit('a', lambda: ev.wait(5))
pool.submit('b', lambda: ev.set() or 'set')
print(pool.wait_for('a'), pool.wait_for('b'))


class Promise:

    def __init__(self, fn):
        self.fn = fn
        self.e = threading.Event()
        threading.Thread(target=self._go).start()

    def _go(self):
        self.value = self.fn()
        self.e.set()

    def get(self):
        self.e.wait()
        return self.value


gate = threading.Event()
pr = Promise(lambda: gate.wait(5) and 'open')
gate.set()
print(pr.get())


class Resource:

    def __init__(s, n):
        s.q = queue.Queue()
        [s.q.put(i) for i in range(n)]

    @contextlib.contextmanager
    def use(s):
        x = s.q.get()
        try:
            yield x
        finally:
            s.q.put(x)


res = Resource(2)
log = []


def job(i):
    with res.use() as x:
        time.sleep(0.002)
        log.append(x in (0, 1))
    return i


with ThreadPoolExecutor(5) as ex:
    print(list(ex.map(job, range(6))), all(log))


def apply(f, *xs):
    return [f(x) for x in xs]


def each(f, *xs):
    return list(map(f, xs))


q2 = queue.Queue()
got = []
t = threading.Thread(target=lambda: got.extend(apply(lambda k: q2.get() + k, 1, 2, 3)))
t.start()
[q2.put(i) for i in (10, 20, 30)]
t.join()
print(got)


def run_all(*tasks):
    ts = [threading.Thread(target=task) for task in tasks]
    for t in ts:
        t.start()
    for t in ts:
        t.join()


b = threading.Barrier(2, timeout=5)
order = []


def step(name):

    def go():
        for phase in range(2):
            order.append((phase, name))
            b.wait()
    return go


run_all(step('x'), step('y'))
print(sorted(order))


class Node(threading.Thread):

    def __init__(self, name):
        super().__init__(name=name)
        self.box = queue.Queue()
        self.seen = []
        self.handlers = {'hi': self.on_hi, 'stop': self.on_stop}
        self.alive = True

    def on_hi(self, src):
        self.seen.append(src.name)
        src.box.put(('stop', self))

    def on_stop(self, src):
        self.alive = False
        self.seen.append('stop by ' + src.name)

    def run(self):
        while self.alive:
            kind, src = self.box.get()
            self.handlers[kind](src)


a, c = (Node('A'), Node('C'))
a.start()
c.start()
a.box.put(('hi', c))
c.join(2)
a.box.put(('stop', c))
a.join(2)
print(a.seen, c.seen)
