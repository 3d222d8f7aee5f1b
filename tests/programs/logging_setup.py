# Logs to standard error and to a file.
# stdout:
# |True
# stderr:
# |WARNING:app:disk at 91 %
# |ERROR:app.db:failed: division by zero
# wrote: app.log
import logging

logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")
log = logging.getLogger("app")
log.propagate = True
handler = logging.FileHandler("app.log")
handler.setFormatter(logging.Formatter("%(message)s"))
log.addHandler(handler)
log.debug("hidden")
log.warning("disk at %d %%", 91)
try:
    1 / 0
except ZeroDivisionError as error:
    logging.getLogger("app.db").error("failed: %s", error)
print(open("app.log").read() == "disk at 91 %\nfailed: division by zero\n")
logging.shutdown()
