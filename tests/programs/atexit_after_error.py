# What was registered runs, and files are written, also after an error.
# status: exited 1
# stdout: "bye\n"
# error: KeyError
# wrote: log.txt
import atexit

atexit.register(print, "bye")
log = open("log.txt", "w")
log.write("one line")
raise KeyError("k")
