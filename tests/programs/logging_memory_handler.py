# Records that a handler holds back are written when the run ends.
# stdout:
# |end of code
# |one
# |two
import logging
import logging.handlers
import sys

handler = logging.handlers.MemoryHandler(100, target=logging.StreamHandler(sys.stdout))
log = logging.getLogger("a")
log.addHandler(handler)
log.setLevel(logging.INFO)
log.info("one")
log.info("two")
print("end of code")
