# Output without a final newline arrives whole, in order.
# stdout: "working... done"
import sys
import time

sys.stdout.write("working...")
sys.stdout.flush()
time.sleep(0.01)
print(" done", end="")
