# The main program asks until all threads are done.
# stdout:
# |{'a': 'aa', 'b': 'bb', 'c': 'cc'}
import threading, time
res = {}
def work(k): time.sleep(0.03); res[k] = k * 2
ts = [threading.Thread(target=work, args=(k,), daemon=True) for k in "abc"]
for t in ts: t.start()
while any(t.is_alive() for t in ts): time.sleep(0.01)
print(dict(sorted(res.items())))
