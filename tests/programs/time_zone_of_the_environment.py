# Follows the TZ variable of the call.
# env: {"TZ": "Asia/Tokyo"}
# stdout:
# |JST 9
# |1970-01-01 09:00
# |9 9
import time
from datetime import datetime, timezone

print(time.tzname[0], -time.timezone // 3600)
print(time.strftime("%Y-%m-%d %H:%M", time.localtime(0)))
print(datetime.fromtimestamp(0).hour, datetime(1970, 1, 1, tzinfo=timezone.utc).astimezone().hour)
