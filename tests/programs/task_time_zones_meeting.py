# Finds a meeting hour for five cities across a change to summer time.
# stdout:
# |Saturday 07 March 2026 15:00 UTC
# |   San Francisco  Sat 07:00 PST  -0800
# |   New York       Sat 10:00 EST  -0500
# |   Berlin         Sat 16:00 CET  +0100
# |   Kolkata        Sat 20:30 IST  +0530
# |   Tokyo          Sun 00:00 JST  +0900
# |Monday 09 March 2026 11:00 UTC
# |   San Francisco  Mon 04:00 PDT  -0700
# |   New York       Mon 07:00 EDT  -0400
# |   Berlin         Mon 12:00 CET  +0100
# |   Kolkata        Mon 16:30 IST  +0530
# |   Tokyo          Mon 20:00 JST  +0900
# |Monday 30 March 2026 11:00 UTC
# |   San Francisco  Mon 04:00 PDT  -0700
# |   New York       Mon 07:00 EDT  -0400
# |   Berlin         Mon 13:00 CEST +0200
# |   Kolkata        Mon 16:30 IST  +0530
# |   Tokyo          Mon 20:00 JST  +0900
# |2:00:00 1:00:00 1792888200.0 1792891800.0
# |2026-03-29 03:30:00+02:00
# |1 day, 0:00:00
# |23:00:00
# |           0 1970-01-01T00:00:00+00:00 1970-01-01 12:00:00+12:00
# |  1000000000 2001-09-09T01:46:40+00:00 2001-09-09 13:46:40+12:00
# |  2147483648 2038-01-19T03:14:08+00:00 2038-01-19 16:14:08+13:00
# |  1709856000 2024-03-08T00:00:00+00:00 2024-03-08 13:00:00+13:00
# |  4102444800 2100-01-01T00:00:00+00:00 2100-01-01 13:00:00+13:00
# |2026-03-01 08:30:00.250000+05:45 2026-03-01 08:30:00+00:00
# |09:05:00-03:30
# |ZoneInfoNotFoundError 'No time zone found with key Mars/Olympus'
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CITIES = {
    "San Francisco": "America/Los_Angeles",
    "New York": "America/New_York",
    "Berlin": "Europe/Berlin",
    "Kolkata": "Asia/Kolkata",
    "Tokyo": "Asia/Tokyo",
}


def comfort(moment):
    hour = moment.hour + moment.minute / 60
    return 3 if 9 <= hour < 17 else 1 if 7 <= hour < 21 else -2


for day in (datetime(2026, 3, 7), datetime(2026, 3, 9), datetime(2026, 3, 30)):
    best = max(
        (datetime(day.year, day.month, day.day, hour, minute, tzinfo=timezone.utc) for hour in range(24) for minute in (0, 30)),
        key=lambda utc: (sum(comfort(utc.astimezone(ZoneInfo(zone))) for zone in CITIES.values()), -utc.hour),
    )
    print(f"{best:%A %d %B %Y %H:%M} UTC")
    for city, zone in CITIES.items():
        local = best.astimezone(ZoneInfo(zone))
        print(f"   {city:<14} {local:%a %H:%M} {local.tzname():<4} {local:%z}")

berlin = ZoneInfo("Europe/Berlin")
twice = datetime(2026, 10, 25, 2, 30, tzinfo=berlin)
print(twice.utcoffset(), twice.replace(fold=1).utcoffset(), twice.timestamp(), twice.replace(fold=1).timestamp())
missing = datetime(2026, 3, 29, 2, 30, tzinfo=berlin)
print(missing.astimezone(timezone.utc).astimezone(berlin))
print(datetime(2026, 3, 28, 12, tzinfo=berlin) + timedelta(days=1) - datetime(2026, 3, 28, 12, tzinfo=berlin))
utc = timezone.utc
print((datetime(2026, 3, 29, 12, tzinfo=berlin).astimezone(utc) - datetime(2026, 3, 28, 12, tzinfo=berlin).astimezone(utc)))
for stamp in (0, 1_000_000_000, 2**31, 1_709_856_000, 4_102_444_800):
    print(f"{stamp:>12}", datetime.fromtimestamp(stamp, utc).isoformat(), datetime.fromtimestamp(stamp, ZoneInfo("Pacific/Auckland")))
print(datetime.fromisoformat("2026-03-01T08:30:00.250+05:45"), datetime.fromisoformat("20260301T083000Z"))
print(time(9, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-30), "NST")))
try:
    ZoneInfo("Mars/Olympus")
except ZoneInfoNotFoundError as error:
    print(type(error).__name__, error)
