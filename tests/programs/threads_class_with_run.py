# A class of threads waits in a method that its run calls.
# stdout:
# |worker-0 0
# |worker-1 1
# |worker-2 4
# |5
import threading, time
class Worker(threading.Thread):
    def __init__(self, n):
        super().__init__(name=f"worker-{n}")
        self.__n = n
        self.result = None
    def run(self):
        self._pause()
        self.result = self.__n ** 2
        print(threading.current_thread().name, self.result)
    def _pause(self):
        time.sleep(0.1 * self.__n)
ws = [Worker(i) for i in range(3)]
for w in ws: w.start()
for w in ws: w.join()
print(sum(w.result for w in ws))
