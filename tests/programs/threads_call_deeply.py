# Threads call deeply through functions that may wait.
# status: exited 1
# stdout:
# |[900, 900]
# |280571172992510140037611932413038677189525
# |150000
# error: NameError
import threading, time


def walk(n, visit):
    visit(n)
    return 0 if n == 0 else 1 + walk(n - 1, visit)


def slow(n):
    if n == 0:
        time.sleep(0.001)
        return 0
    return 1 + slow(n - 1)


out = []


def go():
    out.append(walk(900, lambda n: None))
    out.append(slow(900))


t = threading.Thread(target=go)
t.start()
t.join()
print(out)


def memo(f):
    c = {}

    def w(n):
        if n not in c:
            c[n] = f(n)
        return c[n]
    return w


@memo
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


t = threading.Thread(target=lambda: out.append(fib(200)))
t.start()
t.join()
print(out[-1])


def heavy(f):
    tot = 0
    for i in range(100000):
        tot += f(i)
    out.append(tot)


t = threading.Thread(target=heavy, args=(lambda x: x & 3,))
t.start()
t.join()
print(out[-1])
import sys
print(f'{time.perf_counter() - s:.3f}', file=sys.stderr)
