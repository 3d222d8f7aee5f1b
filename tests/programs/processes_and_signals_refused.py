# What needs another process or a signal from outside says what to use.
# differs: there are no processes, and the error says what to use instead
# stdout:
# |fork OSError True
# |execv OSError True
# |spawnlp OSError True
# |posix_spawn OSError True
# |pipe OSError True
# |mkfifo OSError True
# |alarm OSError True
# |setitimer itimer_error True
# |pause OSError True
# |wait ChildProcessError True
# |setuid PermissionError True
# |kill ProcessLookupError True
# |terminate OSError True
# |0 (0.0, 0.0)
# |handled 10
# |KeyboardInterrupt
import os
import signal

attempts = {
    "fork": (os.fork, "do the work in Python"),
    "execv": (lambda: os.execv("/bin/ls", ["ls"]), "do the work in Python"),
    "spawnlp": (lambda: os.spawnlp(os.P_WAIT, "ls", "ls"), "do the work in Python"),
    "posix_spawn": (lambda: os.posix_spawn("/bin/ls", ["ls"], {}), "do the work in Python"),
    "pipe": (os.pipe, "queue.Queue"),
    "mkfifo": (lambda: os.mkfifo("/tmp/fifo"), "io.BytesIO"),
    "alarm": (lambda: signal.alarm(5), "time.monotonic()"),
    "setitimer": (lambda: signal.setitimer(signal.ITIMER_REAL, 0.5), "asyncio.timeout()"),
    "pause": (signal.pause, "raise_signal"),
    "wait": (os.wait, "child"),
    "setuid": (lambda: os.setuid(0), "host"),
    "kill": (lambda: os.kill(1, 0), "No such process"),
    "terminate": (lambda: os.kill(os.getpid(), signal.SIGTERM), "sys.exit()"),
}
for name, (attempt, advice) in attempts.items():
    try:
        attempt()
    except OSError as error:
        print(name, type(error).__name__, advice in str(error))
print(signal.alarm(0), signal.setitimer(signal.ITIMER_REAL, 0))
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled", int(number)))
os.kill(os.getpid(), signal.SIGUSR1)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("KeyboardInterrupt")
