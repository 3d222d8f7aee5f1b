# Reads a web server's log and reports traffic, errors and slow requests.
# file logs/access.log:
# |192.168.1.10 - - [01/Mar/2026:08:00:01 +0000] "GET /index.html HTTP/1.1" 200 5120 "-" "Mozilla/5.0" 0.031
# |192.168.1.11 - - [01/Mar/2026:08:00:02 +0000] "GET /api/items?page=1 HTTP/1.1" 200 20480 "-" "curl/8.5.0" 0.250
# |192.168.1.10 - - [01/Mar/2026:08:01:13 +0000] "POST /api/items HTTP/1.1" 201 312 "-" "Mozilla/5.0" 0.402
# |203.0.113.7 - - [01/Mar/2026:08:02:40 +0000] "GET /wp-login.php HTTP/1.1" 404 153 "-" "bot/1.0" 0.002
# |203.0.113.7 - - [01/Mar/2026:08:02:41 +0000] "GET /.env HTTP/1.1" 404 153 "-" "bot/1.0" 0.001
# |this line is broken
# |192.168.1.12 - ann [01/Mar/2026:09:15:00 +0100] "GET /report.pdf HTTP/1.1" 200 1048576 "-" "Mozilla/5.0" 2.750
# |192.168.1.12 - ann [01/Mar/2026:09:16:59 +0000] "GET /api/items?page=2 HTTP/1.1" 500 92 "-" "Mozilla/5.0" 1.204
# stdout:
# |7 requests, 1 lines skipped [6]
# |period: 2026-03-01T08:00:01+00:00 to 2026-03-01T09:16:59+00:00
# |
# |Top clients
# |  192.168.1.10      2 ##
# |  203.0.113.7       2 ##
# |  192.168.1.12      2 ##
# |  192.168.1.11      1 #
# |
# |Path              hits      bytes   mean s
# |/report.pdf          1  1,048,576    2.750
# |/api/items           3     20,884    0.619
# |/index.html          1      5,120    0.031
# |/.env                1        153    0.001
# |/wp-login.php        1        153    0.002
# |
# |Error rate: 42.9%
# |404 2
# |500 1
# |suspects: ['203.0.113.7']
# |{'2026-03-01 08h': 6, '2026-03-01 09h': 1}
import re
from collections import Counter, defaultdict
from datetime import datetime, timezone
from urllib.parse import urlsplit

LINE = re.compile(
    r'(?P<ip>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<url>\S+) [^"]+" '
    r'(?P<status>\d{3}) (?P<size>\d+) "[^"]*" "(?P<agent>[^"]*)" (?P<seconds>[\d.]+)'
)


def parse(path):
    bad = []
    rows = []
    with open(path) as log:
        for number, line in enumerate(log, 1):
            match = LINE.fullmatch(line.rstrip("\n"))
            if not match:
                bad.append(number)
                continue
            row = match.groupdict()
            row["time"] = datetime.strptime(row["time"], "%d/%b/%Y:%H:%M:%S %z").astimezone(timezone.utc)
            row["status"] = int(row["status"])
            row["size"] = int(row["size"])
            row["seconds"] = float(row["seconds"])
            row["path"] = urlsplit(row["url"]).path
            rows.append(row)
    return rows, bad


rows, bad = parse("logs/access.log")
print(f"{len(rows)} requests, {len(bad)} lines skipped {bad}")
print("period:", min(r["time"] for r in rows).isoformat(), "to", max(r["time"] for r in rows).isoformat())

by_ip = Counter(r["ip"] for r in rows)
print("\nTop clients")
for ip, count in by_ip.most_common():
    print(f"  {ip:<15} {count:>3} {'#' * count}")

paths = defaultdict(lambda: {"hits": 0, "bytes": 0, "seconds": []})
for r in rows:
    entry = paths[r["path"]]
    entry["hits"] += 1
    entry["bytes"] += r["size"]
    entry["seconds"].append(r["seconds"])
print("\nPath              hits      bytes   mean s")
for path, entry in sorted(paths.items(), key=lambda item: (-item[1]["bytes"], item[0])):
    mean = sum(entry["seconds"]) / len(entry["seconds"])
    print(f"{path:<16} {entry['hits']:>5} {entry['bytes']:>10,} {mean:>8.3f}")

errors = [r for r in rows if r["status"] >= 400]
print(f"\nError rate: {len(errors) / len(rows):.1%}")
for status, group in sorted(Counter(r["status"] for r in errors).items()):
    print(status, group)
suspects = {ip for ip in by_ip if all(r["status"] == 404 for r in rows if r["ip"] == ip)}
print("suspects:", sorted(suspects))
hours = Counter(r["time"].strftime("%Y-%m-%d %Hh") for r in rows)
print(dict(sorted(hours.items())))
