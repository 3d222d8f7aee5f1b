# The processor's time is that of the program, without what it slept.
# stdout:
# |True True True
# |True True
# |True True True
import os
import resource
import time

print(0 < time.process_time() < 10, 0 <= os.times().user < 10, 0 <= resource.getrusage(resource.RUSAGE_SELF).ru_utime < 10)
before = time.thread_time(), time.process_time(), time.monotonic()
time.sleep(0.3)
print(time.process_time() - before[1] < 0.2, time.monotonic() - before[2] >= 0.3)
while time.process_time() - before[1] < 0.05:
    pass
print(
    time.thread_time() - before[0] >= 0.05,
    time.process_time_ns() > 50_000_000,
    time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) > 0.05,
)
