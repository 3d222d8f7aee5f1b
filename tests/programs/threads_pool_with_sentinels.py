# Workers take from a queue until they are told to stop.
# stdout:
# |[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]
# |[False, False, False] 1
import threading, queue
q = queue.Queue(); results = []
lock = threading.Lock()
def worker():
    while True:
        item = q.get()
        if item is None:
            q.task_done(); break
        with lock: results.append(item * item)
        q.task_done()
threads = []
for i in range(3):
    t = threading.Thread(target=worker, name=f"w{i}"); t.start(); threads.append(t)
for i in range(10): q.put(i)
q.join()
print(sorted(results))
for _ in threads: q.put(None)
for t in threads: t.join()
print([t.is_alive() for t in threads], threading.active_count())
