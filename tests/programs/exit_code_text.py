# Ending with a text prints it to standard error and fails.
# status: exited 1
# stderr:
# |fatal: no config
import sys

sys.exit("fatal: no config")
