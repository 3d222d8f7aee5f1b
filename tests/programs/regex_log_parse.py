# Picks fields out of log lines with named groups.
# stdout:
# |[('200', 2), ('401', 1)]
# |['10.0.0.7', '127.0.0.1']
# |a1 <24> b <14>
import re
from collections import Counter

LOG = """\
127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /index.html HTTP/1.1" 200 2326
10.0.0.7 - - [10/Oct/2026:13:55:40 +0000] "POST /login HTTP/1.1" 401 12
10.0.0.7 - - [10/Oct/2026:13:55:41 +0000] "POST /login HTTP/1.1" 200 87
"""
LINE = re.compile(r'(?P<ip>[\d.]+) .*?\[(?P<when>[^\]]+)\] "(?P<verb>\w+) (?P<path>\S+)[^"]*" (?P<code>\d{3})')
matches = [match.groupdict() for match in LINE.finditer(LOG)]
print(Counter(match["code"] for match in matches).most_common())
print(sorted({match["ip"] for match in matches}))
print(re.sub(r"\b(\d+)\b", lambda match: f"<{int(match[1]) * 2}>", "a1 12 b 7"))
