# A listener of logging prints what was queued.
# stdout:
# |one
# |two
# |end
import logging, logging.handlers, queue, sys
q = queue.Queue()
root = logging.getLogger(); root.addHandler(logging.handlers.QueueHandler(q))
lis = logging.handlers.QueueListener(q, logging.StreamHandler(sys.stdout)); lis.start()
root.warning("one"); root.warning("two")
lis.stop(); print("end")
