# Names that packages look at to find their bearings are there and answer.
# differs: host, disk and processors are those of the sandbox
# stdout:
# |18 18
# |os.terminal_size(columns=80, lines=24)
# |OSError Inappropriate ioctl for device
# |True True True
# |True True
# |sandbox sandbox sandbox
# |0 3 True False
# |True
# |255.0.0.1 127.0.0.1 10.0.0.1
# |None True True
# |1 /dev/tty
# |3 True
# |True True
# |True 0 99
# |True False
# |4 2
# |b'234589' []
# |61 copied
# wrote: copied source
import os
import platform
import resource
import shutil
import signal
import socket
import time

before = os.umask(0o22)
print(os.umask(before), before)
print(shutil.get_terminal_size())
try:
    os.get_terminal_size()
except OSError as error:
    print(type(error).__name__, error.strerror[:30])
usage = shutil.disk_usage("/")
status = os.statvfs(".")
print(usage.total == usage.used + usage.free, usage.total == status.f_blocks * status.f_frsize, usage.free > 1 << 20)
print(time.thread_time() > 0, time.thread_time_ns() > 0)
print(platform.node(), os.uname().nodename, socket.getfqdn())
print(os.waitstatus_to_exitcode(0), os.waitstatus_to_exitcode(3 << 8), os.WIFEXITED(0), os.WIFSIGNALED(0))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1024)
print(socket.inet_ntoa(b"\xff\0\0\1"), socket.gethostbyname("localhost"), socket.gethostbyname("10.0.0.1"))
print(os.register_at_fork(before=print), signal.signal(signal.SIGUSR1, signal.SIG_IGN) == signal.SIG_DFL, os.kill(os.getpid(), signal.SIGUSR1) is None)
print(len(os.sched_getaffinity(0)), os.ctermid())
print(len(os.getloadavg()), all(load >= 0 for load in os.getloadavg()))
print(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >= 1 << 30, os.sysconf("SC_AVPHYS_PAGES") > 0)
print(os.sched_getscheduler(0) == os.SCHED_OTHER, os.sched_getparam(0).sched_priority, os.sched_get_priority_max(os.SCHED_RR))
print(time.get_clock_info("thread_time").monotonic, time.get_clock_info("thread_time").adjustable)
with open("copied", "wb") as target, open("source", "wb+") as source:
    os.write(source.fileno(), b"0123456789")
    print(os.copy_file_range(source.fileno(), target.fileno(), 4, 2), os.sendfile(target.fileno(), source.fileno(), 8, 9))
print(open("copied", "rb").read(), os.listxattr("copied"))
try:
    os.getxattr("copied", "user.x")
except OSError as error:
    print(error.errno, error.filename)
