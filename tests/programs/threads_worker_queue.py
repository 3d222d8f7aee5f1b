# Threads work off a queue and put results into another, with sentinels, a lock and join.
# stdout:
# |190 20 True [False, False, False]
# |[(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)] (19, 361)
# |empty
# |MainThread 1 worker-0 True
import queue
import threading
import time

jobs = queue.Queue()
results = queue.Queue()
lock = threading.Lock()
total = 0


def worker(number):
    global total
    while True:
        job = jobs.get()
        if job is None:
            jobs.task_done()
            break
        time.sleep(0.001)
        with lock:
            total += job
        results.put((job, job * job))
        jobs.task_done()


for job in range(20):
    jobs.put(job)
for _ in range(3):
    jobs.put(None)
threads = [threading.Thread(target=worker, args=(n,), name=f"worker-{n}", daemon=True) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
jobs.join()
print(total, results.qsize(), jobs.empty(), [t.is_alive() for t in threads])
collected = sorted(results.get_nowait() for _ in range(results.qsize()))
print(collected[:5], collected[-1])
try:
    results.get_nowait()
except queue.Empty:
    print("empty")
print(threading.current_thread().name, threading.active_count(), threads[0].name, threads[0].daemon)
