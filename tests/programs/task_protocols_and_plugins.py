# Registers plugins by protocol, generics and decorators, and validates by annotations.
# stdout:
# |Wrong is no exporter
# |Order(item='shirt', quantity=1, size='M', tags=[], note=None)
# |ValueError quantity=0 is not in Range(low=1, high=100)
# |TypeError item must be str, not int
# |ValueError size='XL' is not one of ('S', 'M', 'L')
# |TypeError tags[] must be str, not int
# |TypeError Order.__init__() missing 1 required keyword-only argument: 'item'
# |Order(item='hat', quantity=3, size='M', tags=[], note='gift')
# |--- csv
# |item,quantity,size,tags,note
# |shirt,1,M,[],None
# |hat,3,M,[],gift
# |--- yaml
# |- item: shirt
# |  quantity: 1
# |  size: M
# |  tags: []
# |  note: None
# |- item: hat
# |  quantity: 3
# |  size: M
# |  tags: []
# |  note: gift
# |['1', '2', 'x'] __main__.Box[int] (~T,) (self, function: collections.abc.Callable[[~T], U]) -> 'Box[U]'
# |[('item', True), ('quantity', False), ('size', False), ('tags', True), ('note', False)] 9 False
# |{'title': 'x'} True {'title': <class 'str'>, 'year': <class 'int'>}
# |named part in Early
# |[(1, 'Early'), (5, 'Late')] Base Base class for protocol classes.
# |
# |Protocol classes are defined as::
# |
# |    class Proto(Protocol):
# |        def meth(self) -> int:
# |            ...
# |
# |Such classes are primarily used with static type checkers that recognize
# |structural subtyping (static duck-typing).
# |
# |For example::
# |
# |    class C:
# |        def meth(self) -> int:
# |            return 0
# |
# |    def func(x: Proto) -> int:
# |        return x.meth()
# |
# |    func(C())  # Passes static type check
# |
# |See PEP 544 for details. Protocol classes decorated with
# |@typing.runtime_checkable act as simple-minded runtime protocols that check
# |only the presence of given attributes, ignoring their type signatures.
# |Protocol classes can be generic, they are defined as::
# |
# |    class GenProto[T](Protocol):
# |        def meth(self) -> T:
# |            ...
# |tuple[A, A] Pair[int] True positional or keyword
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Generic, Literal, NamedTuple, Protocol, Self, TypedDict, TypeVar, get_args, get_origin, get_type_hints, overload, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Exporter(Protocol):
    extension: str

    def export(self, rows: Iterable[Mapping[str, Any]]) -> str: ...


REGISTRY: dict[str, Exporter] = {}


def register(cls: type) -> type:
    instance = cls()
    if not isinstance(instance, Exporter):
        raise TypeError(f"{cls.__name__} is no exporter")
    REGISTRY[instance.extension] = instance
    return cls


@register
class Csv:
    extension = "csv"

    def export(self, rows):
        rows = list(rows)
        return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])


@register
class Yaml:
    extension = "yaml"

    def export(self, rows):
        return "\n".join("- " + "\n  ".join(f"{k}: {v}" for k, v in row.items()) for row in rows)


try:

    @register
    class Wrong:
        extension = "x"

except TypeError as error:
    print(error)


class Box(Generic[T]):
    def __init__(self, *items: T) -> None:
        self.items = list(items)

    def map[U](self, function: Callable[[T], U]) -> "Box[U]":
        return Box(*map(function, self.items))

    def __class_getitem__(cls, item):
        return super().__class_getitem__(item)

    def with_(self, item: T) -> Self:
        self.items.append(item)
        return self


class Range(NamedTuple):
    low: float
    high: float


class Movie(TypedDict, total=False):
    title: str
    year: int


@dataclass(slots=True, kw_only=True)
class Order:
    item: str
    quantity: Annotated[int, Range(1, 100)] = 1
    size: Literal["S", "M", "L"] = "M"
    tags: list[str] = field(default_factory=list)
    note: str | None = None

    def __post_init__(self):
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            check(name, getattr(self, name), hint)


def check(name, value, hint):
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        check(name, value, args[0])
        for limit in args[1:]:
            if not limit.low <= value <= limit.high:
                raise ValueError(f"{name}={value} is not in {limit}")
    elif origin is Literal:
        if value not in args:
            raise ValueError(f"{name}={value!r} is not one of {args}")
    elif origin in (list, dict):
        if not isinstance(value, origin):
            raise TypeError(f"{name} must be {hint}")
        for item in value:
            check(f"{name}[]", item, args[0])
    elif not isinstance(value, hint):
        raise TypeError(f"{name} must be {getattr(hint, '__name__', hint)}, not {type(value).__name__}")


rows = []
for data in ({"item": "shirt"}, {"item": "cap", "quantity": 0}, {"item": 5}, {"item": "sock", "size": "XL"}, {"item": "tie", "tags": ["red", 1]}, {"quantity": 2}, {"item": "hat", "quantity": 3, "note": "gift"}):
    try:
        order = Order(**data)
        rows.append(asdict(order))
        print(order)
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
for extension, exporter in sorted(REGISTRY.items()):
    print(f"--- {extension}", exporter.export(rows), sep="\n")
print(Box(1, 2).map(str).with_("x").items, Box[int], Box.__parameters__, inspect.signature(Box.map))
print([(f.name, f.default is MISSING) for f in fields(Order)], replace(order, quantity=9).quantity, hasattr(order, "__dict__"))
print(Movie(title="x"), Movie.__optional_keys__ == frozenset({"title", "year"}), get_type_hints(Movie))


class Base:
    plugins = []

    def __init_subclass__(cls, /, priority=0, **rest):
        super().__init_subclass__(**rest)
        Base.plugins.append((priority, cls.__name__))

    def __set_name__(self, owner, name):
        print("named", name, "in", owner.__name__)


class Late(Base, priority=5): ...


class Early(Base, priority=1):
    part = Base()


print(sorted(Base.plugins), inspect.getmro(Early)[1].__name__, inspect.getdoc(Exporter))
type Pair[A] = tuple[A, A]
print(Pair.__value__, Pair[int], isinstance({}, Mapping), inspect.signature(Csv().export).parameters["rows"].kind.description)
