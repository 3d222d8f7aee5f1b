# A thread that waits inside of a call of C cannot be left: an error that says so.
# differs: there threads need no place where they can be left
# status: exited 1
# stderr has: deadlock: threading.Event.wait() would wait for ever
# error: RuntimeError
# error has: from inside of a call of C
import threading

event = threading.Event()


def work():
    return list(map(lambda n: event.wait(), range(1)))


thread = threading.Thread(target=work)
thread.start()
event.set()
thread.join()
