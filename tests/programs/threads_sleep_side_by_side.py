# Threads that sleep do so at the same time.
# stdout:
# |start 0
# |start 1
# |start 2
# |main waits
# |end 2
# |end 1
# |end 0
# |side by side True
import threading, time
def worker(n):
    print("start", n)
    time.sleep(0.2 * (3 - n))
    print("end", n)
t0 = time.perf_counter()
ts = [threading.Thread(target=worker, args=(i,)) for i in range(3)]
for t in ts: t.start()
print("main waits")
for t in ts: t.join()
print("side by side", time.perf_counter() - t0 < 1.1)
