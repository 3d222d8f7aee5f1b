# Consumer and producer share a condition.
# stdout:
# |consumed 0
# |consumed 1
# |consumed 2
# |ok
import threading
cond = threading.Condition(); items = []
def consumer():
    for _ in range(3):
        with cond:
            while not items: cond.wait()
            print("consumed", items.pop(0))
def producer():
    for i in range(3):
        with cond:
            items.append(i); cond.notify()
c = threading.Thread(target=consumer); c.start()
p = threading.Thread(target=producer); p.start()
c.join(); p.join(); print("ok")
