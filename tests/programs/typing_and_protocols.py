# Uses type hints of every sort, checked at run time where they can be.
# stdout:
# |[1, 2] True
# |Point(x=1, y=2) typing.Literal['a', 'b'] ('meta',)
from typing import Annotated, Generic, Literal, NamedTuple, Protocol, TypedDict, TypeVar, get_type_hints, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Closable(Protocol):
    def close(self) -> None: ...


class Stack(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> "Stack[T]":
        self.items.append(item)
        return self


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Movie(TypedDict, total=False):
    title: str
    mode: Literal["a", "b"]


print(Stack[int]().push(1).push(2).items, isinstance(open("main.txt", "w+"), Closable))
print(Point(1)._replace(y=2), get_type_hints(Movie)["mode"], Annotated[int, "meta"].__metadata__)
import os
os.remove("main.txt")
