# Threads are refused, with what to use instead.
# differs: there are no threads
# status: exited 1
# error: RuntimeError
# error has: can't start new thread
# error has: asyncio
import threading

threading.Thread(target=print, args=("hi",)).start()
