# What was registered runs after sys.exit as well.
# status: exited 4
# stdout: "bye\n"
import atexit
import sys

atexit.register(print, "bye")
sys.exit(4)
