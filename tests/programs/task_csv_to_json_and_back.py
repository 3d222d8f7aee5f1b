# Converts CSV to JSON with types, groups it, and writes TSV again.
# file people.csv:
# |id,name,born,salary,active,tags
# |1,"Müller, Ann",1990-02-28,52000.50,yes,admin;dev
# |2,Bo O'Hara,1985-12-01,,no,
# |3,"Say ""hi"" Çelik",2000-02-29,48000,yes,dev
# |4,李雷,1999-07-15,61000.25,yes,ops;dev;lead
# stdout:
# |[
# |  {
# |    "id": 1,
# |    "name": "Müller, Ann",
# |    "born": "1990-02-28",
# |    "salary": 52000.5,
# |    "active": true,
# |    "tags": [
# |      "admin",
# |      "dev"
# |    ]
# |  },
# |  {
# |    "id": 2,
# |    "name": "Bo O'Hara",
# |    "born": "1985-12-01",
# |    "salary": null,
# |    "active": false,
# |    "tags": []
# |  },
# |  {
# |    "id": 3,
# |    "name": "Say \"hi\" Çelik",
# |    "born": "2000-02-29",
# |    "salary": 48000.0,
# |    "active": true,
# |    "tags": [
# |      "dev"
# |    ]
# |  },
# |  {
# |    "id": 4,
# |    "name": "李雷",
# |    "born": "1999-07-15",
# |    "salary": 61000.25,
# |    "active": true,
# |    "tags": [
# |      "ops",
# |      "dev",
# |      "lead"
# |    ]
# |  }
# |]
# |620 characters, 626 bytes
# |name	salary	tags
# |李雷	61000.25	ops|dev|lead
# |Müller, Ann	52000.5	admin|dev
# |"Say ""hi"" Çelik"	48000.0	dev
# |Bo O'Hara		
# |
# |Müller, Ann          36 Wed 28 Feb 1990
# |Bo O'Hara            40 Sun 01 Dec 1985
# |Say "hi" Çelik       26 Tue 29 Feb 2000
# |李雷                   26 Thu 15 Jul 1999
# |';' True
# |{"inf": Infinity, "big": 1180591620717411303424, "tiny": 1e-300, "\u00e9": "\u2028\u0000"}
# wrote: people.json
import csv
import json
import io
from datetime import date


def convert(row):
    return {
        "id": int(row["id"]),
        "name": row["name"].strip(),
        "born": date.fromisoformat(row["born"]),
        "salary": float(row["salary"]) if row["salary"] else None,
        "active": row["active"] == "yes",
        "tags": row["tags"].split(";") if row["tags"] else [],
    }


class DateEncoder(json.JSONEncoder):
    def default(self, value):
        if isinstance(value, date):
            return value.isoformat()
        return super().default(value)


with open("people.csv", newline="", encoding="utf-8") as source:
    people = [convert(row) for row in csv.DictReader(source)]

with open("people.json", "w", encoding="utf-8") as target:
    json.dump(people, target, cls=DateEncoder, ensure_ascii=False, indent=2)

text = open("people.json", encoding="utf-8").read()
print(text)
print(len(text), "characters,", len(text.encode()), "bytes")

again = json.loads(text)
buffer = io.StringIO()
writer = csv.DictWriter(buffer, fieldnames=["name", "salary", "tags"], delimiter="\t", extrasaction="ignore", lineterminator="\n")
writer.writeheader()
for person in sorted(again, key=lambda p: (p["salary"] is None, -(p["salary"] or 0))):
    writer.writerow({**person, "tags": "|".join(person["tags"])})
print(buffer.getvalue())

today = date(2026, 3, 1)
for person in people:
    born = person["born"]
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    print(f"{person['name']:<20} {age} {born:%a %d %b %Y}")
dialect = csv.Sniffer().sniff("a;b;c\n1;2;3\n4;5;6\n")
print(repr(dialect.delimiter), csv.Sniffer().has_header("name;age\nAnn;30\nBo;25\n"))
print(json.dumps({"inf": float("inf"), "big": 2**70, "tiny": 1e-300, "é": "\u2028\x00"}))
