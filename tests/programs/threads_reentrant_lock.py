# A lock that its holder takes again.
# stdout:
# |16
import threading, time
class Account:
    def __init__(self): self.lock = threading.RLock(); self.n = 0
    def add(self, k):
        with self.lock:
            self.n += k
    def double(self):
        with self.lock:
            time.sleep(0.005)
            self.add(self.n)
acc = Account(); acc.add(1)
ts = [threading.Thread(target=acc.double) for _ in range(4)]
for t in ts: t.start()
for t in ts: t.join()
print(acc.n)
