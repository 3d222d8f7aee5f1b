# A producer thread fills a queue that the main thread reads while it grows.
# stdout:
# |{'a': '1', 'b': '2', 'c': 'x=y'} True False
# |[2, 1, 3] ['job 1', 'job 2', 'job 3']
# |full True
# |True False
# |Semaphore released too many times
import queue
import threading

buffer = queue.Queue()
finished = threading.Event()


def produce(lines):
    for line in lines:
        if line.strip():
            buffer.put(line.split("=", 1))
    finished.set()
    buffer.put(None)


text = "a=1\n\nb=2\nc=x=y\n"
producer = threading.Thread(target=produce, args=(text.splitlines(),))
producer.start()
settings = {}
while (item := buffer.get(timeout=5)) is not None:
    key, value = item
    settings[key] = value
producer.join()
print(settings, finished.is_set(), producer.is_alive())
barrier_results = []
stack = queue.LifoQueue()
ranked = queue.PriorityQueue()
for n in (3, 1, 2):
    stack.put(n)
    ranked.put((n, f"job {n}"))
print([stack.get() for _ in range(3)], [ranked.get()[1] for _ in range(3)])
full = queue.Queue(maxsize=1)
full.put(1)
try:
    full.put_nowait(2)
except queue.Full:
    print("full", full.full())
semaphore = threading.BoundedSemaphore(2)
with semaphore:
    print(semaphore.acquire(blocking=False), semaphore.acquire(blocking=False))
    semaphore.release()
try:
    semaphore.release()
except ValueError as error:
    print(error)
