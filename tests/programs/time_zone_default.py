# Without TZ the local time is UTC.
# stdout:
# |UTC 0 0
# env: {}
import time

print(time.tzname[0], time.timezone, time.localtime(0).tm_hour)
