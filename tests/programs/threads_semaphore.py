# No more than two at a time.
# stdout:
# |2 0
import threading, time
sem = threading.Semaphore(2); active = 0; most = 0; lock = threading.Lock()
def job(i):
    global active, most
    with sem:
        with lock:
            active += 1; most = max(most, active)
        time.sleep(0.01)
        with lock: active -= 1
ts = [threading.Thread(target=job, args=(i,)) for i in range(6)]
for t in ts: t.start()
for t in ts: t.join()
print(most, active)
