# Every wait that nobody can end is an error that names it.
# differs: native Python waits forever
# stdout:
# |threading.Event.wait()
# |acquiring a lock that is taken
# |queue.Queue.put()
# |threading.Condition.wait()
# |threading.Semaphore.acquire()
# |threading.Barrier.wait()
# |queue._PySimpleQueue.get()
# |threading.Thread.join()
# |every other thread waits too: waiter for an item of a queue
import queue
import threading


def attempt(wait):
    try:
        wait()
    except RuntimeError as error:
        text = str(error)
        assert text.startswith("deadlock: "), text
        print(text[len("deadlock: "):].partition(" would wait for ever")[0])
        return text
    raise AssertionError("it did not wait")


lock = threading.Lock()
lock.acquire()
full = queue.Queue(1)
full.put(1)
condition = threading.Condition()
condition.acquire()
attempt(threading.Event().wait)
attempt(lock.acquire)
attempt(lambda: full.put(2))
attempt(condition.wait)
attempt(threading.Semaphore(0).acquire)
attempt(threading.Barrier(2).wait)
attempt(queue.SimpleQueue().get)
waiter = threading.Thread(target=lambda: queue.Queue().get(), name="waiter", daemon=True)
waiter.start()
print(attempt(waiter.join).partition("because ")[2])
