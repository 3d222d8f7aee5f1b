# Two threads take turns by events.
# stdout:
# |ping 0
# |pong 0
# |ping 1
# |pong 1
# |ping 2
# |pong 2
import threading
a, b = threading.Event(), threading.Event()
def ping():
    for i in range(3):
        a.wait(); a.clear(); print("ping", i); b.set()
def pong():
    for i in range(3):
        b.wait(); b.clear(); print("pong", i); a.set()
t1, t2 = threading.Thread(target=ping), threading.Thread(target=pong)
t1.start(); t2.start(); a.set(); t1.join(); t2.join()
