# A bounded queue is read by iter() with a sentinel.
# stdout:
# |0
# |20
# |40
# |60
# |80
import threading, queue
q, out = queue.Queue(3), queue.Queue()
def work():
    for x in iter(q.get, None):
        if x % 2: continue
        out.put(x * 10)
    out.put(None)
t = threading.Thread(target=work); t.start()
for i in range(10): q.put(i)
q.put(None)
while (v := out.get()) is not None: print(v)
t.join()
