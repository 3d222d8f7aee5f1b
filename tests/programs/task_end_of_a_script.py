# Registers functions for the end, leaves files open, and ends through an exception hook.
# status: exited 1
# stdout:
# |sizes now True
# |no newline yet... hook: RuntimeError: work failed (line True)
# |goodbye Ann, happy
# |journal: ['started', 'ended']
# stderr:
# |fatal
# error: RuntimeError
# wrote: journal.txt raw.bin report.csv
import atexit
import os
import sys


class Journal:
    def __init__(self, path):
        self.file = open(path, "w")

    def note(self, text):
        self.file.write(text + "\n")


journal = Journal("journal.txt")
journal.note("started")
report = open("report.csv", "w", buffering=1 << 16)
report.write("a,b\n" + "1,2\n" * 1000)
raw = open("raw.bin", "wb")
raw.write(bytes(5000))


@atexit.register
def last():
    journal.note("ended")
    journal.file.flush()
    print("journal:", open("journal.txt").read().split())


def summary(name, *, mood):
    print(f"goodbye {name}, {mood}")


atexit.register(summary, "Ann", mood="happy")
unwanted = atexit.register(print, "never")
atexit.unregister(print)


class Thing:
    pass




def hook(kind, error, traceback):
    print(f"hook: {kind.__name__}: {error} (line {traceback.tb_lineno > 0})")
    sys.stderr.write("fatal\n")


sys.excepthook = hook
print("sizes now", os.path.getsize("report.csv") <= 4004)
sys.stdout.write("no newline yet... ")
raise RuntimeError("work failed")
