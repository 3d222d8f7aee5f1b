# Waits for an item that nobody can put: an error at once, not a hang.
# differs: native Python waits forever
# status: exited 1
# error: RuntimeError
# error has: deadlock: queue.Queue.get() would wait for ever
import queue

queue.Queue().get()
