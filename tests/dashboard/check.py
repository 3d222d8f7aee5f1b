"""Is the dashboard what Grafana takes? Reads it as Grafana's own Foundation SDK does, which
is made of the schemas of Grafana, and writes it again: what the schemas do not know is lost
on the way.

    target/ci-tools/bin/python tests/dashboard/check.py
"""

import copy
import json
import pathlib
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

DASHBOARD = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy/grafana/belljar.json"


def lost(before, after, place="$"):
    """What was there before, and is not or is another after. The SDK leaves out what is empty."""
    match before, after:
        case dict(), dict():
            for name, value in before.items():
                if name in after:
                    yield from lost(value, after[name], f"{place}.{name}")
                elif value not in (None, [], {}, False, 0, ""):
                    yield f"{place}.{name}"
        case list(), list() if len(before) == len(after):
            for number, (one, other) in enumerate(zip(before, after)):
                yield from lost(one, other, f"{place}[{number}]")
        case _ if before != after:
            yield place


def faults(dashboard):
    read = Dashboard.from_json(copy.deepcopy(dashboard))
    return list(lost(dashboard, json.loads(json.dumps(read, cls=JSONEncoder))))


plugins.register_default_plugins()
dashboard = json.loads(DASHBOARD.read_text())
found = faults(dashboard)

# The control: a field that there is not is found wherever it is put.
panel = next(number for number, panel in enumerate(dashboard["panels"]) if panel["type"] == "timeseries")
for path in [[], ["panels", panel], ["panels", panel, "gridPos"], ["panels", panel, "options"],
             ["panels", panel, "targets", 0], ["panels", panel, "fieldConfig", "defaults"]]:
    changed = copy.deepcopy(dashboard)
    part = changed
    for name in path:
        part = part[name]
    part["invented"] = "x"
    if not any(place.endswith(".invented") for place in faults(changed)):
        found.append(f"an invented field in {path} is not found")

for fault in found:
    print(f"FAULT {fault}")
print(f"{len(dashboard['panels'])} panels, {len(found)} faults")
sys.exit(bool(found))
