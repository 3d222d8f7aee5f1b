# Threads meet at a barrier, twice.
# stdout:
# |all here
# |all here
# |[0, 0, 0, 1, 1, 1]
import threading
b = threading.Barrier(3, action=lambda: print("all here"))
out = []
def work(n):
    for phase in range(2):
        out.append((phase, n)); b.wait()
ts = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for t in ts: t.start()
for t in ts: t.join()
print([p for p, _ in out])
