# Waits that end by themselves.
# stdout: "empty full False False False False broken True\n"
import queue
import threading

said = []
try:
    queue.Queue().get(timeout=0.01)
except queue.Empty:
    said.append("empty")
full = queue.Queue(1)
full.put(1)
try:
    full.put(2, timeout=0.01)
except queue.Full:
    said.append("full")
lock = threading.Lock()
lock.acquire()
condition = threading.Condition()
said += [threading.Event().wait(0.01), lock.acquire(timeout=0.01), threading.Semaphore(0).acquire(timeout=0.01)]
with condition:
    said.append(condition.wait(0.01))
try:
    threading.Barrier(2).wait(0.01)
except threading.BrokenBarrierError:
    said.append("broken")
ever = threading.Thread(target=threading.Event().wait, daemon=True)
ever.start()
ever.join(0.01)
print(*said, ever.is_alive())
