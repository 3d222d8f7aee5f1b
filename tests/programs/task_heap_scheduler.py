# Schedules jobs with priorities, dependencies and a simulated clock; merges sorted streams.
# stdout:
# |1 workers: 20
# |2 workers: 15
# |3 workers: 15
# |  0 start docs
# |  0 start fetch
# |  1 end   fetch
# |  1 start build
# |  4 end   docs
# |  6 end   build
# |  6 start test
# |  6 start package
# |  7 end   package
# | 13 end   test
# | 13 start deploy
# | 15 end   deploy
# |['a', 'b', 'c']
# |nodes are in a cycle 3
# |[Ticket(priority=1, number=2, title='down'), Ticket(priority=1, number=4, title='data loss')]
# |['down', 'data loss', 'slow page', 'feature', 'typo']
# |[1, 2, 3, 4, 5, 6, 8, 9] [('b', 9), ('c', 7), ('a', 5)]
# |1 3 [5, 10, 8]
# |[(1, 'tick'), (11, 'tick'), (15, 'tock'), (18, 'tock'), (21, 'tick')] 21 True
# |{'b': 5, 'a': 10, 'c': 15}
# |[5, 10.0, 5, 4.0, 5, 4.5]
import heapq
import sched
from collections import deque
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import count

JOBS = {"deploy": {"test", "package"}, "test": {"build"}, "package": {"build", "docs"}, "build": {"fetch"}, "docs": set(), "fetch": set()}
TIMES = {"deploy": 2, "test": 7, "package": 1, "build": 5, "docs": 4, "fetch": 1}


def plan(workers):
    sorter = TopologicalSorter(JOBS)
    sorter.prepare()
    clock, running, log = 0, [], []
    waiting = []
    while sorter.is_active():
        for job in sorted(sorter.get_ready()):
            heapq.heappush(waiting, (-TIMES[job], job))
        while waiting and len(running) < workers:
            _, job = heapq.heappop(waiting)
            heapq.heappush(running, (clock + TIMES[job], job))
            log.append(f"{clock:>3} start {job}")
        clock, job = heapq.heappop(running)
        log.append(f"{clock:>3} end   {job}")
        sorter.done(job)
    return clock, log


for workers in (1, 2, 3):
    makespan, log = plan(workers)
    print(f"{workers} workers: {makespan}")
print("\n".join(log))
print(list(TopologicalSorter({"c": ["b"], "b": ["a"]}).static_order()))
try:
    list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
except CycleError as error:
    print(error.args[0], len(error.args[1]))


@dataclass(order=True)
class Ticket:
    priority: int
    number: int = field(default_factory=count(1).__next__)
    title: str = field(compare=False, default="")


queue = []
for priority, title in ((2, "slow page"), (1, "down"), (3, "typo"), (1, "data loss"), (2, "feature")):
    heapq.heappush(queue, Ticket(priority, title=title))
print(heapq.nsmallest(2, queue))
print([heapq.heappop(queue).title for _ in range(len(queue))])
print(list(heapq.merge([1, 5, 9], [2, 6], [3, 4, 8])), heapq.nlargest(3, {"a": 5, "b": 9, "c": 7}.items(), key=lambda i: i[1]))
heap = [5, 3, 8]
heapq.heapify(heap)
print(heapq.heappushpop(heap, 1), heapq.heapreplace(heap, 10), heap)


class Clock:
    def __init__(self):
        self.now = 0

    def time(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


clock = Clock()
scheduler = sched.scheduler(clock.time, clock.sleep)
happened = []


def repeat(name, every, times):
    happened.append((clock.now, name))
    if times > 1:
        scheduler.enter(every, 1, repeat, (name, every, times - 1))


scheduler.enter(1, 1, repeat, ("tick", 10, 3))
scheduler.enterabs(15, 0, repeat, ("tock", 3, 2))
cancelled = scheduler.enter(5, 1, print, ("never",))
scheduler.cancel(cancelled)
scheduler.run()
print(happened, clock.now, scheduler.empty())


def round_robin(tasks, quantum):
    ready = deque(tasks.items())
    clock, ends = 0, {}
    while ready:
        name, left = ready.popleft()
        used = min(quantum, left)
        clock += used
        if left > used:
            ready.append((name, left - used))
        else:
            ends[name] = clock
    return ends


print(round_robin({"a": 5, "b": 2, "c": 8}, 3))


class Median:
    def __init__(self):
        self.low, self.high = [], []

    def add(self, value):
        heapq.heappush(self.high, -heapq.heappushpop(self.low, -value))
        if len(self.high) > len(self.low):
            heapq.heappush(self.low, -heapq.heappop(self.high))
        return -self.low[0] if len(self.low) > len(self.high) else (self.high[0] - self.low[0]) / 2


stream = Median()
print([stream.add(v) for v in (5, 15, 1, 3, 2**33, 4)])
