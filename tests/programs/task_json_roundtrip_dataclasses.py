# Saves a project of nested dataclasses as JSON, loads it again, upgrades an old version.
# stdout:
# |{
# | "id": "8b0077a2-3958-55e2-815b-51f09685d967",
# | "name": "Größe",
# | "created": "2026-03-01T08:30:00.000250+00:00",
# | "folder": "/srv/p",
# | "tasks": {
# |  "a": {
# |   "title": "write",
# |   "due": "2026-03-09",
# |   "level": "HIGH",
# |   "cost": "12.30",
# |   "done": false,
# |   "parts": []
# |  },
# |  "b": {
# |   "title": "test",
# |   "due": null,
# |   "level": "LOW",
# |   "cost": "0",
# |   "done": false,
# |   "parts": [
# |    {
# |     "title": "unit",
# |     "due": null,
# |     "level": "LOW",
# |     "cost": "0",
# |     "done": false,
# |     "parts": []
# |    },
# |    {
# |     "title": "e2e",
# |     "due": null,
# |     "level": "LOW",
# |     "cost": "0",
# |     "done": true,
# |     "parts": []
# |    }
# |   ]
# |  }
# | },
# | "limits": [
# |  0,
# |  9007199254740993
# | ],
# | "tags": [
# |  "b",
# |  "x",
# |  "ü"
# | ],
# | "timeout": 300.0,
# | "version": 2
# |}
# |True Task 9007199254740993
# |Task(title='write', due=datetime.date(2026, 3, 9), level=<Level.HIGH: 2>, cost=Decimal('12.30'), done=False, parts=[]) 0:05:00 2026-03-01T08:30:00.000250+00:00
# |Project(id=UUID('8b0077a2-3958-55e2-815b-51f09685d967'), name='old', created=datetime.datetime(2020, 2, 29, 0, 0, tzinfo=datetime.timezone.utc), folder=PurePosixPath('.'), tasks={'0': Task(title='t', due=None, level=<Level.LOW: 1>, cost=Decimal('0'), done=False, parts=[])}, limits=(0, 9007199254740993), tags=frozenset(), timeout=datetime.timedelta(seconds=300), version=2)
# |ValueError Invalid isoformat string: 'yesterday' at $.created
# |TypeError wants str, got 5 at $.tasks[a].title
# |ValueError zip() argument 2 is shorter than argument 1 at $.limits
# |ValueError unknown colour at $
# |KeyError 'MID' at $.tasks[a].level
# |Illegal trailing comma before end of array 1 12 11
# |[inf, 0, 100.0, nan] [('a', 1), ('a', 2)] 1.10
# wrote: project.json
from __future__ import annotations

import json
import types
import typing
import uuid
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath


class Level(Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Task:
    title: str
    due: date | None = None
    level: Level = Level.LOW
    cost: Decimal = Decimal("0")
    done: bool = False
    parts: list[Task] = field(default_factory=list)


@dataclass
class Project:
    id: uuid.UUID
    name: str
    created: datetime
    folder: PurePosixPath
    tasks: dict[str, Task]
    limits: tuple[int, int] = (0, 2**53 + 1)
    tags: frozenset[str] = frozenset()
    timeout: timedelta = timedelta(minutes=5)
    version: int = 2


def dump(value):
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.name
        case Decimal() | uuid.UUID() | PurePosixPath():
            return str(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {key: dump(item) for key, item in value.items()}
        case list() | tuple():
            return [dump(item) for item in value]
        case frozenset():
            return sorted(value)
        case _ if is_dataclass(value):
            return {f.name: dump(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"cannot save {type(value).__name__}")


def load(hint, value, at="$"):
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    try:
        if origin in (typing.Union, types.UnionType):
            if value is None:
                return None
            return load(next(a for a in args if a is not type(None)), value, at)
        if is_dataclass(hint):
            hints = typing.get_type_hints(hint)
            if extra := value.keys() - hints.keys():
                raise ValueError(f"unknown {', '.join(sorted(extra))}")
            return hint(**{name: load(hints[name], item, f"{at}.{name}") for name, item in value.items()})
        if origin is dict:
            return {key: load(args[1], item, f"{at}[{key}]") for key, item in value.items()}
        if origin is tuple:
            return tuple(load(a, item, f"{at}[{i}]") for i, (a, item) in enumerate(zip(args, value, strict=True)))
        if origin in (list, frozenset):
            return origin(load(args[0], item, f"{at}[{i}]") for i, item in enumerate(value))
        if issubclass(hint, Enum):
            return hint[value]
        if hint in (date, datetime):
            return hint.fromisoformat(value)
        if hint is timedelta:
            return timedelta(seconds=value)
        if hint in (int, float, str, bool) and type(value) is not hint:
            raise TypeError(f"wants {hint.__name__}, got {value!r}")
        return hint(value)
    except Exception as error:
        if not hasattr(error, "__notes__"):
            error.add_note(f"at {at}")
        raise


project = Project(
    uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/p"), "Größe", datetime(2026, 3, 1, 8, 30, 0, 250, timezone.utc), PurePosixPath("/srv/p"),
    {"a": Task("write", date(2026, 3, 9), Level.HIGH, Decimal("12.30")), "b": Task("test", parts=[Task("unit"), Task("e2e", done=True)])},
    tags=frozenset({"x", "b", "ü"}),
)
text = json.dumps(dump(project), indent=1, ensure_ascii=False)
print(text)
again = load(Project, json.loads(text))
print(again == project, type(again.tasks["b"].parts[1]).__name__, again.limits[1] - again.limits[0])
print(again.tasks["a"], again.timeout, again.created.isoformat())

UPGRADES = {1: lambda d: {**d, "name": d["name"].strip(), "tasks": {str(i): t for i, t in enumerate(d["tasks"])}, "version": 2}}
old = {"id": str(project.id), "name": " old ", "created": "2020-02-29T00:00:00+00:00", "folder": ".", "tasks": [{"title": "t"}], "version": 1}
while old["version"] in UPGRADES:
    old = UPGRADES[old["version"]](old)
print(load(Project, old))
for change in ({"created": "yesterday"}, {"tasks": {"a": {"title": 5}}}, {"limits": [1]}, {"colour": 1}, {"tasks": {"a": {"title": "x", "level": "MID"}}}):
    try:
        load(Project, {**json.loads(text), **change})
    except Exception as error:
        print(type(error).__name__, error, error.__notes__[0])
Path("project.json").write_text(text, encoding="utf-8")
try:
    json.loads('{"a": [1, 2,], "b": tru}')
except json.JSONDecodeError as error:
    print(error.msg, error.lineno, error.colno, error.pos)
print(json.loads("[1e400, -0, 1E2, NaN]"), json.loads('{"a": 1, "a": 2}', object_pairs_hook=list), json.loads("1.10", parse_float=Decimal))
