# Looks at its own code: ast metrics, a call graph, tracing, disassembly, gc, timing, versions.
# stdout:
# |Shape.area        1 []
# |Circle.__init__   1 []
# |Circle.area       5 ['helper', 'range']
# |helper            4 ['sqrt'] Helps.
# |fetch             1 []
# |['os', 'system', 'math.sqrt'] A module. 114
# |[('NAME', 74), ('OP', 50), ('NEWLINE', 23)] True
# |x = 6 + 4 * y
# |10 ('x', 'key', 'rest', 'more', 'n') {'key': None}
# |['__init__', 'area', 'helper']
# |['BINARY_OP', 'BINARY_OP', 'RETURN_VALUE']
# |1000 True
# |True True True
# |True True
# |(3, 13) CPython little cpython 15 4300
# |{'deep': {'a': {'b': {'c': [...]}}},
# | 'list': [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
# |          15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
# |          27, 28, 29],
# | 'name': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
# | 'ns': namespace(a=1, b='two'),
# | 'set': {1, 2, 3}}
# |[0, 1, 2, 3, 4, 5, ...] 'long long lo...ng long long ' {'a': 2, 'b': 1} True
# |['metrics'] True ['bool', 'int', 'object'] __main__
import ast
import collections
import cProfile
import dis
import gc
import io
import operator
import platform
import pprint
import pstats
import reprlib
import sys
import textwrap
import timeit
import tokenize
import tracemalloc
from types import SimpleNamespace

SOURCE = textwrap.dedent('''\
    """A module."""
    import os, sys as system
    from math import sqrt

    LIMIT = 10

    class Shape:
        def area(self): return 0

    class Circle(Shape):
        def __init__(self, r):
            self.r = r
        def area(self):
            if self.r > LIMIT and self.r != 99:
                return LIMIT
            for i in range(3):
                while False:
                    pass
            return helper(self.r) ** 2

    def helper(x, *rest, key=None, **more):
        """Helps."""
        try:
            return sqrt(x)
        except ValueError:
            return [n for n in rest if n] or 0

    async def fetch(): ...
    ''')


class Metrics(ast.NodeVisitor):
    def __init__(self):
        self.calls, self.complexity, self.docs, self.imports, self.at = collections.defaultdict(set), {}, {}, [], []

    def visit_Import(self, node):
        self.imports += [a.asname or a.name for a in node.names]

    def visit_ImportFrom(self, node):
        self.imports += [f"{node.module}.{a.name}" for a in node.names]

    def visit_ClassDef(self, node):
        self.at.append(node.name)
        self.generic_visit(node)
        self.at.pop()

    def visit_FunctionDef(self, node):
        name = ".".join([*self.at, node.name])
        self.docs[name] = ast.get_docstring(node)
        self.complexity[name] = 1 + sum(isinstance(n, (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp, ast.comprehension)) for n in ast.walk(node))
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                self.calls[name].add(ast.unparse(call.func))

    visit_AsyncFunctionDef = visit_FunctionDef


tree = ast.parse(SOURCE)
metrics = Metrics()
metrics.visit(tree)
for name, score in metrics.complexity.items():
    print(f"{name:<18}{score} {sorted(metrics.calls[name])} {metrics.docs[name] or ''}".rstrip())
print(metrics.imports, ast.get_docstring(tree), len(list(ast.walk(tree))))
tokens = collections.Counter(tokenize.tok_name[t.type] for t in tokenize.generate_tokens(io.StringIO(SOURCE).readline))
print(tokens.most_common(3), tokens["INDENT"] == tokens["DEDENT"])


class Constants(ast.NodeTransformer):
    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return ast.Constant({ast.Add: operator.add, ast.Mult: operator.mul}[type(node.op)](node.left.value, node.right.value))
        return node


print(ast.unparse(Constants().visit(ast.parse("x = 2 * 3 + 4 * y"))))
namespace = {}
exec(compile(tree, "module.py", "exec"), namespace)
print(namespace["Circle"](16).area(), namespace["helper"].__code__.co_varnames, namespace["helper"].__kwdefaults__)
called = []


def tracer(frame, event, arg):
    if event == "call" and frame.f_code.co_filename == "module.py":
        called.append(frame.f_code.co_name)
    return None


sys.settrace(tracer)
namespace["Circle"](4).area()
sys.settrace(None)
print(called)
print([i.opname for i in dis.get_instructions(lambda a, b: a + b * 2) if not i.opname.startswith(("RESUME", "CACHE", "LOAD"))])
profile = cProfile.Profile()
profile.enable()
sorted(range(1000), key=lambda n: -n)
profile.disable()
stats = pstats.Stats(profile, stream=io.StringIO())
print(max(calls for _, calls, *_ in stats.stats.values()), timeit.timeit("1 + 1", number=10) >= 0)


class Ring:
    pass


ring = Ring()
ring.self = ring
del ring
print(gc.collect() >= 1, gc.isenabled(), sys.getrefcount(object()) <= 2)
tracemalloc.start()
data = [bytes(1000) for _ in range(100)]
now, peak = tracemalloc.get_traced_memory()
tracemalloc.stop()
print(90_000 < now < 200_000, peak >= now)
print(sys.version_info[:2], platform.python_implementation(), sys.byteorder, sys.implementation.name, sys.float_info.dig, sys.int_info.default_max_str_digits)
nested = {"name": "x" * 30, "list": list(range(30)), "deep": {"a": {"b": {"c": [1, {"d": 2}]}}}, "set": {3, 1, 2}, "ns": SimpleNamespace(a=1, b="two")}
pprint.pp(nested, width=60, compact=True, depth=4, sort_dicts=True)
print(reprlib.repr(list(range(100))), reprlib.repr("long " * 20), pprint.pformat({"b": 1, "a": 2}), pprint.isreadable(nested))
print(sorted(k for k in globals() if k.startswith("m")), callable(tracer), [c.__name__ for c in bool.__mro__], __name__)
