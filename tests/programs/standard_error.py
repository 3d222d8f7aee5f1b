# Keeps the two output streams apart.
# stdout:
# |out 1
# |out 2
# stderr:
# |err 1
# |err 2
import sys
import warnings

print("out 1")
print("err 1", file=sys.stderr)
sys.stdout.write("out 2\n")
sys.stderr.write("err 2\n")
warnings.simplefilter("ignore")
warnings.warn("hidden")
