# Works with timestamps in milliseconds and nanoseconds, with sys.maxsize as infinity.
# stdout:
# |1709769600456 1709942410000 172809544
# |b 2024-03-07T00:00:00.456+00:00 0d 00:00:00.543
# |a 2024-03-08T00:00:00.123+00:00 0d 00:00:01.333
# |d 2024-03-08T00:00:00.500+00:00 0d 00:00:03.000
# |c 2024-03-09T00:00:00.789+00:00 0d 00:00:09.211
# |span 2d 00:00:09.544
# |3521.75 [740.5, 2166.5, 7658.25] 9211
# |[[1709769600456, 1709769600999], [1709856000123, 1709856003500], [1709942400789, 1709942410000]] 13131
# |infinity: True True 19
# |1709856000 123456789 61
# |1709856000.123 1709856000.123456 1709856000123
# |3,999,999,999.99 101_900_000_000_000
import sys
from datetime import datetime, timezone
from statistics import mean, quantiles

events = [
    {"id": "a", "start": 1709856000123, "end": 1709856001456},
    {"id": "b", "start": 1709769600456, "end": 1709769600999},
    {"id": "c", "start": 1709942400789, "end": 1709942410000},
    {"id": "d", "start": 1709856000500, "end": 1709856003500},
]
earliest, latest = sys.maxsize, -sys.maxsize - 1
for event in events:
    earliest = min(earliest, event["start"])
    latest = max(latest, event["end"])
print(earliest, latest, latest - earliest)


def clock(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest * 1000).isoformat(timespec="milliseconds")


def human(milliseconds):
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    return f"{days}d {h:02}:{m:02}:{s:02}.{ms:03}"


for event in sorted(events, key=lambda e: e["start"]):
    print(event["id"], clock(event["start"]), human(event["end"] - event["start"]))
print("span", human(latest - earliest))
durations = [e["end"] - e["start"] for e in events]
print(mean(durations), quantiles(durations, n=4), max(durations))

merged = []
for start, end in sorted((e["start"], e["end"]) for e in events):
    if merged and start <= merged[-1][1]:
        merged[-1][1] = max(merged[-1][1], end)
    else:
        merged.append([start, end])
print(merged, sum(end - start for start, end in merged))
print("infinity:", sys.maxsize > 10**15, sys.maxsize == 2**63 - 1, len(str(sys.maxsize)))
nanoseconds = 1709856000123456789
print(nanoseconds // 10**9, nanoseconds % 10**9, nanoseconds.bit_length())
print(round(1709856000.123456, 3), f"{1709856000.123456:.6f}", int(1709856000.123456 * 1000))
money = [15_000_000_000_00, 3_999_999_999_99, 10**14 + 1]
cheapest = sys.maxsize
for cents in money:
    if cents < cheapest:
        cheapest = cents
print(f"{cheapest / 100:,.2f}", f"{sum(money):_}")
