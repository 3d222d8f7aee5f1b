# A date without a year is parsed, and warned about in the program's own line.
# stdout:
# |1900-02-10
# stderr has: DeprecationWarning: Parsing dates involving a day of month without a year
# stderr has: print(datetime.strptime("10 Feb", "%d %b").date())
from datetime import datetime

print(datetime.strptime("10 Feb", "%d %b").date())
