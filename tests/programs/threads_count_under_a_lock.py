# Threads count under a lock.
# stdout:
# |5000
import threading
counter = 0
lock = threading.Lock()
def work():
    global counter
    for _ in range(1000):
        with lock:
            counter += 1
ts = [threading.Thread(target=work) for _ in range(5)]
for t in ts: t.start()
for t in ts: t.join()
print(counter)
