# A date without a year is read, with Python's warning about it.
# stdout:
# |1900-02-10 00:00:00
# |2 10
# stderr has: DeprecationWarning: Parsing dates involving a day of month without a year
import time
from datetime import datetime

print(datetime.strptime("10 Feb", "%d %b"))
parsed = time.strptime("10 Feb", "%d %b")
print(parsed.tm_mon, parsed.tm_mday)
