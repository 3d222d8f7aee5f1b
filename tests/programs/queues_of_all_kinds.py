# Queues with priorities, time-outs and shutdown.
# stdout:
# |[(1, 'a'), (2, 'b'), (3, 'c'), 'empty'] ['b', 'a', 'c', 'empty']
# |Empty
# |Full
# |ShutDown
import threading, queue, heapq, time
pq = queue.PriorityQueue()
lifo = queue.LifoQueue()
for p, n in [(3, 'c'), (1, 'a'), (2, 'b')]:
    pq.put((p, n))
    lifo.put(n)


def drain(q, o):
    try:
        while True:
            o.append(q.get(timeout=0.05))
    except queue.Empty:
        o.append('empty')


a, b = ([], [])
ts = [threading.Thread(target=drain, args=x) for x in ((pq, a), (lifo, b))]
[t.start() for t in ts]
[t.join() for t in ts]
print(a, b)
try:
    pq.get_nowait()
except queue.Empty:
    print('Empty')
q = queue.Queue(1)
q.put(1)
try:
    q.put(2, timeout=0.01)
except queue.Full:
    print('Full')
q.shutdown(immediate=True)
try:
    q.get()
except queue.ShutDown:
    print('ShutDown')
