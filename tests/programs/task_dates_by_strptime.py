# Parses dates in many formats, makes ranges, ages, time sheets and a Gantt chart.
# stdout:
# |2026-03-01                2026-03-01T00:00:00         %Y-%m-%d
# |1.3.2026                  2026-03-01T00:00:00         %d.%m.%Y
# |01/03/26                  2026-03-01T00:00:00         %d/%m/%y
# |Mar 1, 2026               2026-03-01T00:00:00         %b %d, %Y
# |29 February 2028          2028-02-29T00:00:00         %d %B %Y
# |20260301                  2026-03-01T00:00:00         %Y%m%d
# |Sunday, 01 Mar 2026       2026-03-01T00:00:00         %A, %d %b %Y
# |2026-03-01T08:30:00+0530  2026-03-01T08:30:00+05:30   %Y-%m-%dT%H:%M:%S%z
# |08:05 PM on 01 Mar 2026   2026-03-01T20:05:00         %I:%M %p on %d %b %Y
# |2026-060                  2026-03-01T00:00:00         %Y-%j
# |Sun Mar  1 08:30:00 2026  2026-03-01T08:30:00         %c
# |29 February 2026          no format fits '29 February 2026'
# |tomorrow                  no format fits 'tomorrow'
# |31 (2024, 2, 10)
# |time data '2026-13-01' does not match format '%Y-%m-%d'
# |time data 'abc' does not match format '%H:%M'
# |unconverted data remains: 1
# |unconverted data remains:  x
# |'q' is a bad directive in format '%q'
# |Sun Sunday 0 01 Mar March 03 26 2026 00 12 AM 05 09 001234 060 09 08 2026-W09-7 % 03/01/26 00:05:09 Sun Mar  1 00:05:09 2026
# |1.3.26 12:05AM| 1|03/01/26 00:05:09 00:05 2026-03-01|Mar 20
# |2026-03-01 08:05:09 3 1772323200 1772323200.0 Tue Jan 19 03:14:08 2038 Thu Jan  1 00:00:00 1970
# |['just now', '1 hour ago', '1 month ago', 'in 1 week', '3 years ago']
# |['2026-02-28', '2026-03-31', '2027-01-31', '2028-02-29', '2025-11-30'] ['2026-12-31', '2026-12-24', '2026-12-17']
# |Mon 8:00:00 8.00 h
# |Tue 3:15:00 3.25 h
# |Wed 8:15:00 8.25 h overtime 0:15:00
# |Fri: overlap of 0:30:00
# |Fri 3:00:00 3.00 h
# |total 22:30:00 22.5 -1 day, 3:00:00 5 0:00:02 datetime.timedelta(seconds=1, microseconds=500000)
# |        234567890123456
# |design  █████
# |build      ██░░████
# |test              ██░░
# |launch                █
# |Ann 36 13150 Wednesday 3
# |Bo 30 10958 Thursday 4
# |Cem 24 8826 Monday 1
# |{(2025, 52): [28], (2026, 1): [29, 30, 31, 1, 2, 3, 4], (2026, 2): [5]} [1, 2, 3, 4, 5, 6, 7, 8] 6 Sun 31
# |         March 2026
# |Sun Mon Tue Wed Thu Fri Sat
# |  1   2   3   4   5   6   7
# |  8   9  10  11  12  13  14
# | 15  16  17  18  19  20  21
# | 22  23  24  25  26  27  28
# | 29  30  31
# |<table border="0" cellpadding="0" cellspacing="0" class="month">
# |<tr><
# |9999-12-31 23:59:59.999999 0001-01-01T00:00:00 1969-12-31 23:59:59+00:00 1772341200.0 1900 00 0999-01-02
# |date value out of range
# |can't compare offset-naive and offset-aware datetimes
import calendar
import re
import time
from collections import defaultdict
from datetime import UTC, date, datetime, time as clock, timedelta, timezone

FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%y", "%b %d, %Y", "%d %B %Y", "%Y%m%d", "%A, %d %b %Y", "%Y-%m-%dT%H:%M:%S%z", "%I:%M %p on %d %b %Y", "%Y-%j", "%c", "%x"]


def parse(text):
    for pattern in FORMATS:
        try:
            return datetime.strptime(text, pattern), pattern
        except ValueError:
            continue
    raise ValueError(f"no format fits {text!r}")


for text in ("2026-03-01", "1.3.2026", "01/03/26", "Mar 1, 2026", "29 February 2028", "20260301", "Sunday, 01 Mar 2026", "2026-03-01T08:30:00+0530", "08:05 PM on 01 Mar 2026", "2026-060", "Sun Mar  1 08:30:00 2026", "29 February 2026", "tomorrow"):
    try:
        moment, pattern = parse(text)
        print(f"{text:<26}{moment.isoformat():<28}{pattern}")
    except ValueError as error:
        print(f"{text:<26}{error}")
print(datetime.strptime("2026 31", "%Y %d").day, time.strptime("10 Feb 2024", "%d %b %Y")[:3])
for text, pattern in (("2026-13-01", "%Y-%m-%d"), ("abc", "%H:%M"), ("10:61", "%H:%M"), ("2026-03-01 x", "%Y-%m-%d"), ("5", "%q")):
    try:
        datetime.strptime(text, pattern)
    except ValueError as error:
        print(error)
moment = datetime(2026, 3, 1, 0, 5, 9, 1234)
print(moment.strftime("%a %A %w %d %b %B %m %y %Y %H %I %p %M %S %f %j %U %W %G-W%V-%u %% %x %X %c"))
print(f"{moment:%-d.%-m.%y %-I:%M%p}|{moment:%e}|{moment:%D %T %R %F}|{moment:%h %C}")
print(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_772_352_309)), time.gmtime(0).tm_wday, calendar.timegm((2026, 3, 1, 0, 0, 0)), time.mktime((2026, 3, 1, 0, 0, 0, 0, 0, 0)), time.asctime(time.gmtime(2**31)), time.ctime(0))


def relative(then, now):
    seconds = (now - then).total_seconds()
    for unit, size in (("year", 31_557_600), ("month", 2_629_800), ("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            return f"{'in ' if seconds < 0 else ''}{count} {unit}{'s' * (count > 1)}{' ago' if seconds > 0 else ''}"
    return "just now"


now = datetime(2026, 3, 1, 12, tzinfo=UTC)
print([relative(now - timedelta(**d), now) for d in ({"seconds": 5}, {"minutes": 90}, {"days": 45}, {"days": -8}, {"weeks": 200})])


def add_months(day, months):
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


print([str(add_months(date(2026, 1, 31), m)) for m in (1, 2, 12, 25, -2)], [str(date(2026, 12, 31) - timedelta(weeks=w)) for w in range(3)])
SHEET = """Mon 09:00-12:30 13:15-17:45
Tue 08:45-12:00
Wed 22:00-06:15
Fri 09:00-11:00 10:30-12:00"""
total = timedelta()
for line in SHEET.splitlines():
    day, *spans = line.split()
    worked, previous = timedelta(), None
    for start, end in (re.findall(r"\d\d:\d\d", s) for s in spans):
        a, b = (datetime.combine(date(2026, 3, 2), clock.fromisoformat(t)) for t in (start, end))
        b += timedelta(days=b <= a)
        if previous and a < previous:
            print(f"{day}: overlap of {previous - a}")
            a = previous
        worked += b - a
        previous = b
    total += worked
    print(f"{day} {worked} {worked / timedelta(hours=1):.2f} h {'overtime ' + str(worked - timedelta(hours=8)) if worked > timedelta(hours=8) else ''}".rstrip())
print("total", total, total.total_seconds() / 3600, str(timedelta(days=-1, hours=3)), timedelta(1.5) // timedelta(hours=7), timedelta(seconds=100) % timedelta(seconds=7), repr(timedelta(milliseconds=1500)))
TASKS = [("design", "2026-03-02", 5), ("build", "2026-03-05", 8), ("test", "2026-03-12", 4), ("launch", "2026-03-16", 1)]
first = min(date.fromisoformat(s) for _, s, _ in TASKS)
last = max(date.fromisoformat(s) + timedelta(d) for _, s, d in TASKS)
span = (last - first).days
print(" " * 8 + "".join(str((first + timedelta(i)).day % 10) for i in range(span)))
for name, start, days in TASKS:
    offset = (date.fromisoformat(start) - first).days
    bar = "".join("░" if (first + timedelta(offset + i)).weekday() >= 5 else "█" for i in range(days))
    print(f"{name:<8}{' ' * offset}{bar}")
birthdays = {"Ann": date(1990, 2, 28), "Bo": date(1996, 2, 29), "Cem": date(2001, 12, 31)}
today = date(2026, 3, 1)
for name, born in birthdays.items():
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    print(name, age, (today - born).days, born.strftime("%A"), born.toordinal() % 7)
weeks = defaultdict(list)
for day in (date(2025, 12, 28) + timedelta(i) for i in range(9)):
    weeks[day.isocalendar()[:2]].append(day.day)
print(dict(weeks), list(calendar.Calendar(6).itermonthdays(2026, 2))[:8], calendar.weekday(2026, 3, 1), calendar.day_abbr[6], calendar.leapdays(1900, 2026))
print(calendar.TextCalendar(calendar.SUNDAY).formatmonth(2026, 3, w=3), calendar.HTMLCalendar().formatmonth(2026, 2)[:70], sep="")
print(datetime.max, datetime.min.isoformat(), datetime.fromtimestamp(-1, UTC), datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=-5))).timestamp(), datetime(1900, 1, 1).strftime("%Y %y"), date(999, 1, 2).isoformat())
try:
    datetime.max + timedelta(seconds=1)
except OverflowError as error:
    print(error)
try:
    datetime(2026, 3, 1) < datetime(2026, 3, 1, tzinfo=UTC)
except TypeError as error:
    print(error)
