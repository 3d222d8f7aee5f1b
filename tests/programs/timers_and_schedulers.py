# Timers that repeat, and schedulers in threads.
# stdout:
# |['a', 'b'] True
# |True False
# |done
# |['a', 'b', 'late']
import sched, time, threading
s = sched.scheduler(time.monotonic, time.sleep)
out = []
s.enter(0.02, 1, out.append, ('b',))
s.enter(0.01, 1, out.append, ('a',))
e = s.enter(0.03, 1, out.append, ('x',))
s.cancel(e)
s.run()
print(out, s.empty())


class Repeat(threading.Timer):

    def run(self):
        while not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)


hits = []
r = Repeat(0.005, hits.append, (1,))
r.start()
while len(hits) < 3:
    time.sleep(0.005)
r.cancel()
r.join()
print(len(hits) >= 3, r.is_alive())
t = threading.Timer(10, print)
t.start()
t.cancel()
t.join()
print('done')
th = threading.Thread(target=s.run)
s.enter(0.01, 1, out.append, ('late',))
th.start()
th.join()
print(out)
