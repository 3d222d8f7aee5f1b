# Looks into objects and makes classes at run time.
# stdout:
# |Meta (self, a, /, b=1, *args, c, **kwargs) Says something.
# |5 object True
import inspect


class Meta(type):
    def __new__(cls, name, bases, namespace):
        namespace["created_by"] = cls.__name__
        return super().__new__(cls, name, bases, namespace)


class Made(metaclass=Meta):
    def method(self, a, /, b=1, *args, c, **kwargs):
        """Says something."""


print(Made.created_by, inspect.signature(Made.method), inspect.getdoc(Made.method))
print(type("Dynamic", (Made,), {"x": 5})().x, Made.__mro__[-1].__name__, hasattr(Made(), "method"))
