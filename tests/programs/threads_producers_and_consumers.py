# Two of each, a bounded queue with timeouts, and an event.
# stdout:
# |[(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4)] 0
import threading, queue, random, time
random.seed(1)
buf = queue.Queue(maxsize=3)
done = threading.Event()
consumed = []
def producer(n):
    for i in range(5):
        buf.put((n, i)); time.sleep(0.001)
def consumer():
    while not done.is_set() or not buf.empty():
        try: item = buf.get(timeout=0.01)
        except queue.Empty: continue
        consumed.append(item)
        buf.task_done()
ps = [threading.Thread(target=producer, args=(n,)) for n in range(2)]
cs = [threading.Thread(target=consumer) for _ in range(2)]
for t in ps + cs: t.start()
for t in ps: t.join()
done.set()
for t in cs: t.join()
print(sorted(consumed), buf.qsize())
