# Generators fed by threads, bounded buffers, actors and subscribers.
# stdout:
# |[0, 1, 2, 3, 4, 5]
# |[0, 1, 2, 3, 4, 5]
# |[0, 1, 2, 3, 4, 5]
# |10
# |[[1, 2], [1, 2]]
import threading, queue, time, itertools


def stream(n):
    q = queue.Queue(2)
    END = object()

    def run():
        for i in range(n):
            q.put(i)
        q.put(END)
    threading.Thread(target=run, daemon=True).start()
    yield from iter(q.get, END)


print(list(stream(6)))


class BoundedBuffer:

    def __init__(s, n):
        s.b = []
        s.n = n
        s.lock = threading.Lock()
        s.nf = threading.Condition(s.lock)
        s.ne = threading.Condition(s.lock)

    def put(s, x):
        with s.nf:
            while len(s.b) >= s.n:
                s.nf.wait()
            s.b.append(x)
            s.ne.notify()

    def get(s):
        with s.ne:
            while not s.b:
                s.ne.wait()
            x = s.b.pop(0)
            s.nf.notify()
            return x


bb = BoundedBuffer(2)
got = []
p = threading.Thread(target=lambda: [bb.put(i) for i in range(6)])
c = threading.Thread(target=lambda: [got.append(bb.get()) for _ in range(6)])
p.start()
c.start()
p.join()
c.join()
print(got)
bb = BoundedBuffer(2)
got = []


def P():
    for i in range(6):
        bb.put(i)


def C():
    for _ in range(6):
        got.append(bb.get())


p = threading.Thread(target=P)
c = threading.Thread(target=C)
p.start()
c.start()
p.join()
c.join()
print(got)


class Actor(threading.Thread):

    def __init__(s):
        super().__init__(daemon=True)
        s.inbox = queue.Queue()
        s.total = 0
        s.start()

    def send(s, m):
        s.inbox.put(m)

    def run(s):
        for m in iter(s.inbox.get, None):
            s.total += m


a = Actor()
[a.send(i) for i in range(5)]
a.send(None)
a.join()
print(a.total)


class Pub:

    def __init__(s):
        s.subs = []

    def sub(s):
        q = queue.SimpleQueue()
        s.subs.append(q)
        return q

    def pub(s, m):
        [q.put(m) for q in s.subs]


pub = Pub()
qs = [pub.sub() for _ in range(2)]
outs = [[], []]


def listen(i):
    while (m := qs[i].get()) != 'stop':
        outs[i].append(m)


ts = [threading.Thread(target=listen, args=(i,)) for i in range(2)]
[t.start() for t in ts]
[pub.pub(m) for m in (1, 2, 'stop')]
[t.join() for t in ts]
print(outs)
