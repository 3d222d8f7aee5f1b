# Builds abstract classes, properties, descriptors and operators.
# stdout:
# |["Can't", 'instantiate', 'abstract', 'class', 'Shape']
# |negative side 9 ['Square']
# result: Vector(4, 6)
from abc import ABC, abstractmethod


class Shape(ABC):
    registry = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        Shape.registry[cls.__name__] = cls

    @abstractmethod
    def area(self): ...


class Square(Shape):
    def __init__(self, side):
        self.side = side

    @property
    def side(self):
        return self._side

    @side.setter
    def side(self, value):
        if value < 0:
            raise ValueError("negative side")
        self._side = value

    def area(self):
        return self.side**2


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __repr__(self):
        return f"Vector({self.x}, {self.y})"


try:
    Shape()
except TypeError as error:
    print(str(error).split(" ", 5)[:5])
try:
    Square(-1)
except ValueError as error:
    print(error, Square(3).area(), list(Shape.registry))
Vector(1, 2) + Vector(3, 4)
