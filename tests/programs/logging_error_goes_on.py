# A log call with wrong arguments complains on standard error, and the program goes on.
# stdout:
# |2 True
# |['TypeError: %d format: a real number is required, not str', "Message: '%d items'", "Arguments: ('three',)", 'TypeError: not all arguments converted during string formatting', "Message: 'too %s'", "Arguments: ('many', 'arguments')"]
# |went on
import io
import logging
import sys

errors, sys.stderr = sys.stderr, io.StringIO()
log = logging.getLogger("shop")
log.warning("%d items", "three")
log.warning("too %s", "many", "arguments")
log.error("fine %s", "here")
text, sys.stderr = sys.stderr.getvalue(), errors
print(text.count("--- Logging error ---"), "fine here" in text)
print([line for line in text.splitlines() if line.startswith(("TypeError", "Message", "Arguments"))])
print("went on")
