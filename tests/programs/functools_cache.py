# Caches, folds and dispatches with functools.
# stdout:
# |5040 32 ['int', 'object']
# |True 12586269025 51
# result: 354224848179261915075
import functools
import operator


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.singledispatch
def show(value):
    return "object"


@show.register
def _(value: int):
    return "int"


@show.register(list)
def _(value):
    return [show(item) for item in value]


@functools.total_ordering
class Version:
    def __init__(self, text):
        self.parts = tuple(map(int, text.split(".")))

    def __eq__(self, other):
        return self.parts == other.parts

    def __lt__(self, other):
        return self.parts < other.parts


print(functools.reduce(operator.mul, range(1, 8)), functools.partial(pow, 2)(5), show([1, "a"]))
print(Version("1.10") >= Version("1.9"), fib(50), fib.cache_info().misses)
fib(100)
