# Threads that hand each other their turn.
# stdout:
# |['ping', 'pong', 'ping', 'pong', 'ping', 'pong']
# |[0, 1, 2, 0, 1, 2, 0, 1, 2]
import threading
a, b = (threading.Event(), threading.Event())
out = []


def ping():
    for i in range(3):
        a.wait()
        a.clear()
        out.append('ping')
        b.set()


def pong():
    for i in range(3):
        b.wait()
        b.clear()
        out.append('pong')
        a.set()


t1 = threading.Thread(target=ping)
t2 = threading.Thread(target=pong)
t1.start()
t2.start()
a.set()
t1.join()
t2.join()
print(out)
cond = threading.Condition()
turn = 0
order = []


def player(n):
    global turn
    for _ in range(3):
        with cond:
            cond.wait_for(lambda: turn % 3 == n)
            order.append(n)
            turn += 1
            cond.notify_all()


ts = [threading.Thread(target=player, args=(n,)) for n in range(3)]
[t.start() for t in ts]
[t.join() for t in ts]
print(order)
