# Counts days, parses and formats dates.
# stdout:
# |['2024-02-28', '2024-02-29', '2024-03-01']
# |32 Sunday 22 November 2026
# |2026-03-01T10:30:00+00:00 1772361000.0
# |2026-03-03 08:05:00
# |2 days, 1:30:00 2025-12-29
from datetime import date, datetime, timedelta, timezone

start = date(2024, 2, 28)
print([str(start + timedelta(days=n)) for n in range(3)])
print((date(2026, 12, 24) - date(2026, 11, 22)).days, date(2026, 11, 22).strftime("%A %d %B %Y"))
moment = datetime.fromisoformat("2026-03-01T12:30:00+02:00")
print(moment.astimezone(timezone.utc).isoformat(), moment.timestamp())
print(datetime.strptime("03/Mar/2026 08:05", "%d/%b/%Y %H:%M"))
print(timedelta(hours=49, minutes=30), date.fromisocalendar(2026, 1, 1))
