# Threads return results through a subclass, fail with an exception, and use local data.
# stdout:
# |[2880067194370816120, 3] {'fibonacci': True, 'words': True} False
# |[('ZeroDivisionError', 'division by zero', 'bad')] False
# |True True
# |2000
# |timer fired
# |[(3, 8), (5, 32), (64, 18446744073709551616)]
# |[1, 2, 0]
# |1 0 ValueError("invalid literal for int() with base 10: 'x'")
# |threads can only be started once
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

local = threading.local()
seen = {}
errors = []


class Task(threading.Thread):
    def __init__(self, function, *args):
        super().__init__()
        self.function, self.args, self.result = function, args, None

    def run(self):
        local.name = self.function.__name__
        self.result = self.function(*self.args)
        seen[local.name] = threading.current_thread() is self


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def words(text):
    return len(text.split())


tasks = [Task(fibonacci, 90), Task(words, "one two three")]
for task in tasks:
    task.start()
for task in tasks:
    task.join(timeout=10)
print([task.result for task in tasks], seen, hasattr(local, "name"))
threading.excepthook = lambda args: errors.append((args.exc_type.__name__, str(args.exc_value), args.thread.name))
bad = threading.Thread(target=lambda: 1 / 0, name="bad")
bad.start()
bad.join()
print(errors, bad.is_alive())
event = threading.Event()
setter = threading.Thread(target=event.set)
setter.start()
print(event.wait(5), event.is_set())
counter = 0
lock = threading.RLock()


def count():
    global counter
    for _ in range(500):
        with lock, lock:
            counter += 1


threads = [threading.Thread(target=count) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(counter)
timer = threading.Timer(0.01, lambda: print("timer fired"))
timer.start()
timer.join()
with ThreadPoolExecutor(max_workers=3) as pool:
    futures = {pool.submit(pow, 2, n): n for n in (3, 5, 64)}
    print(sorted((futures[f], f.result()) for f in as_completed(futures)))
    print(list(pool.map(len, ["a", "bb", ""])))
    failing = pool.submit(int, "x")
    done, pending = wait([failing])
    print(len(done), len(pending), repr(failing.exception()))
try:
    bad.start()
except RuntimeError as error:
    print(error)
