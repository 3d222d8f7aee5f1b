# A nested function of threads has its variables.
# stdout:
# |(10, ['t0', 't1', 't2', 't3', 't4'])
import threading, time
def run():
    total = 0
    names = []
    lock = threading.Lock()
    def add(n):
        nonlocal total
        with lock:
            before = total
            time.sleep(0.001)
            total = before + n
        names.append(threading.current_thread().name)
    ts = [threading.Thread(target=add, args=(i,), name=f"t{i}") for i in range(5)]
    for t in ts: t.start()
    for t in ts: t.join()
    return total, sorted(names)
print(run())
