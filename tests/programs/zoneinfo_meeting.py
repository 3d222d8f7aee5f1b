# Converts a meeting between time zones, across a change of the clocks.
# stdout:
# |2026-03-28T09:00:00+01:00 04:00 EDT
# |2026-03-29T09:00:00+02:00 03:00 EDT
# |True True
# |5:30:00
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

berlin = ZoneInfo("Europe/Berlin")
for day in (28, 29):
    meeting = datetime(2026, 3, day, 9, 0, tzinfo=berlin)
    print(meeting.isoformat(), meeting.astimezone(ZoneInfo("America/New_York")).strftime("%H:%M %Z"))
fold = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
print(fold.utcoffset() == timedelta(hours=2), fold.replace(fold=1).utcoffset() == timedelta(hours=1))
print(datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Kolkata")).utcoffset())
