# A hook that logs the error with its traceback to standard output, through logging.
# status: exited 1
# stdout has: ERROR uncaught
# stdout has: KeyError: 'k'
# stderr: ""
# error: KeyError
# traceback lacks: File
import logging
import sys

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
sys.excepthook = lambda *failure: logging.error("uncaught", exc_info=failure)
{}["k"]
