# Counts working days with holidays, and plans sprints and pay days.
# stdout:
# |2024 31 March leap datetime.IsoCalendarDate(year=2025, week=1, weekday=2)
# |2025 20 April  datetime.IsoCalendarDate(year=2026, week=1, weekday=3)
# |2026 05 April  datetime.IsoCalendarDate(year=2026, week=53, weekday=4)
# |2038 25 April  datetime.IsoCalendarDate(year=2038, week=52, weekday=5)
# |
# |January    21 working days, paid on Fri 30
# |February   20 working days, paid on Fri 27
# |March      22 working days, paid on Tue 31
# |April      20 working days, paid on Thu 30
# |May        19 working days, paid on Fri 29
# |June       22 working days, paid on Tue 30
# |July       23 working days, paid on Fri 31
# |August     21 working days, paid on Mon 31
# |September  22 working days, paid on Wed 30
# |October    22 working days, paid on Fri 30
# |November   21 working days, paid on Mon 30
# |December   22 working days, paid on Thu 31
# |
# |Sprint 1: 2026-03-30 .. 2026-04-14 (16 days, week 14)
# |Sprint 2: 2026-04-15 .. 2026-04-28 (14 days, week 16)
# |Sprint 3: 2026-04-29 .. 2026-05-13 (15 days, week 18)
# |Sprint 4: 2026-05-15 .. 2026-05-28 (14 days, week 20)
# |Fridays the 13th: 2026-02-13 2026-03-13 2026-11-13
# |Thanksgiving 2026: 26 November
# |   February 2028
# |Mo Tu We Th Fr Sa Su
# |    1  2  3  4  5  6
# | 7  8  9 10 11 12 13
# |14 15 16 17 18 19 20
# |21 22 23 24 25 26 27
# |28 29
# |
# |2026-03-02 2028-02-29 23:59:00
# |0001-01-01 3652058 days, 0:00:00 -1 day, 0:00:05 (2, datetime.timedelta(seconds=7200))
# |day is out of range for month
import calendar
from datetime import date, datetime, timedelta


def easter(year):
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    f = (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return date(year, month, day + 1)


def holidays(year):
    e = easter(year)
    return {
        date(year, 1, 1): "New Year",
        e - timedelta(2): "Good Friday",
        e + timedelta(1): "Easter Monday",
        date(year, 5, 1): "Labour Day",
        e + timedelta(39): "Ascension",
        date(year, 12, 25): "Christmas",
        date(year, 12, 26): "Boxing Day",
    }


def working_days(first, last):
    day = first
    while day <= last:
        if day.weekday() < 5 and day not in holidays(day.year):
            yield day
        day += timedelta(1)


def add_working_days(start, count):
    day = start
    while count:
        day += timedelta(1)
        if day.weekday() < 5 and day not in holidays(day.year):
            count -= 1
    return day


for year in (2024, 2025, 2026, 2038):
    print(year, easter(year).strftime("%d %B"), "leap" if calendar.isleap(year) else "", date(year, 12, 31).isocalendar())
print()
for month in range(1, 13):
    last = calendar.monthrange(2026, month)[1]
    days = list(working_days(date(2026, month, 1), date(2026, month, last)))
    print(f"{calendar.month_name[month]:<10} {len(days):>2} working days, paid on {days[-1]:%a %d}")
print()
start = date(2026, 3, 30)
for sprint in range(1, 5):
    end = add_working_days(start, 9)
    print(f"Sprint {sprint}: {start:%Y-%m-%d} .. {end:%Y-%m-%d} ({(end - start).days + 1} days, week {start.isocalendar().week})")
    start = add_working_days(end, 1)
fridays = [date(2026, m, 13) for m in range(1, 13) if date(2026, m, 13).weekday() == 4]
print("Fridays the 13th:", *fridays)
third = [week[calendar.THURSDAY] for week in calendar.monthcalendar(2026, 11) if week[calendar.THURSDAY]][3]
print("Thanksgiving 2026:", third, "November")
print(calendar.month(2028, 2))
print(datetime.strptime("2026-W10-1", "%G-W%V-%u").date(), datetime.strptime("29 Feb 2028 23:59", "%d %b %Y %H:%M"))
print(date.fromordinal(1), date.max - date.min, timedelta(days=-1, seconds=5), divmod(timedelta(hours=50), timedelta(days=1)))
try:
    date(2026, 2, 29)
except ValueError as error:
    print(error)
