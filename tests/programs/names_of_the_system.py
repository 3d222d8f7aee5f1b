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
