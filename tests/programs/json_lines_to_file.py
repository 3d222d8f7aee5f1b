# Filters JSON lines into a new file.
# file events.jsonl:
# |{"level": "info", "ms": 12}
# |{"level": "error", "ms": 250}
# |
# |{"level": "error", "ms": 31}
# stdout:
# |3 2 250
# wrote: out/errors.jsonl
import json
from pathlib import Path

Path("out").mkdir(exist_ok=True)
events = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines() if line.strip()]
errors = [event for event in events if event["level"] == "error"]
Path("out/errors.jsonl").write_text("".join(json.dumps(event) + "\n" for event in errors))
print(len(events), len(errors), max(event["ms"] for event in errors))
