"""Functions compiled anew as generators that can be left where they wait.

What a generator calls where the function waited is in `suspend.py`; here is which
places these are, and how the code around them stays as it was, its lines and
names included.
"""
import ast
import copy
import itertools
import linecache
import types
from collections import deque

from .errors import LIBRARIES

# Names of methods and functions that wait.
WAITING = frozenset(("acquire", "wait", "wait_for", "get", "put", "join", "sleep", "run", "result", "call",
                     "is_alive", "is_set", "run_forever", "run_until_complete"))
GENERATOR_FLAGS = 0x20 | 0x80 | 0x100 | 0x200
# What `from __future__ import annotations` sets.
FUTURE_FLAGS = 0x1000000
# Attributes in which programs keep what they are to call.
CALLABLES = frozenset(("func", "fn", "function", "target", "callback", "task", "job", "handler", "action", "work",
                       "method", "factory", "_func", "_fn", "_target", "_callback", "_task", "_handler"))
# What takes all of a generator expression.
CONSUMERS = frozenset(("list", "tuple", "set", "frozenset", "dict", "sum", "sorted", "min", "max"))
# How the functions are called that comprehensions become.
LOOP = "_belljar_loop_"
# What compiled functions call, by the names they have there.
HELPERS = ("_belljar_call", "_belljar_enter", "_belljar_tick")

# code -> code of the generator, or None; file -> (lines, tree, names).
_made = {}
_read = {}


def generator_code(function):
    """The code of a function as that of a generator; None when it never waits,
    or its source is not known."""
    code = function.__code__
    try:
        return _made[code]
    except KeyError:
        made = _made[code] = _make(function, code)
        return made


def _make(function, code):
    if code.co_flags & GENERATOR_FLAGS or code.co_filename.startswith(LIBRARIES):
        return None
    tree, names = _tree(code.co_filename, function.__globals__)
    node = tree and _definition(tree, code)
    if node is None or not _may_wait(node, names):
        return None
    made = copy.deepcopy(node)
    if isinstance(made, ast.Lambda):
        made = ast.copy_location(ast.FunctionDef(
            "_belljar_lambda", made.args, [ast.copy_location(ast.Return(made.body), made.body)], [],
            None, None, []), node)
    made.decorator_list = []
    body = _Rewriter(names, node.variables)
    statements = [body.visit(statement) for statement in made.body]
    if not body.yields:
        return None
    made.body = body.loops + statements
    # In the same scopes as before, so that names mean what they did.
    qualname = code.co_qualname.split(".")
    owner = qualname[-2] if len(qualname) > 1 and qualname[-2].isidentifier() else "_"
    free = [name for name in (*code.co_freevars, *HELPERS) if name != "__class__"]
    outer = ast.FunctionDef(
        "_", ast.arguments([], [], None, [], [], None, []),
        [*(ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)) for name in free),
         ast.ClassDef(owner, [], [], [made], [], [])], [], None, None, [])
    module = ast.fix_missing_locations(ast.copy_location(ast.Module([outer], []), made))
    try:
        compiled = compile(module, code.co_filename, "exec", code.co_flags & FUTURE_FLAGS, True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for name in ("_", owner, made.name):
        compiled = next((each for each in compiled.co_consts
                         if isinstance(each, types.CodeType) and each.co_name == name), None)
        if compiled is None:
            return None
    return _named(compiled, code)


def _named(compiled, code):
    """The code, with the names that tracebacks show."""
    consts = tuple(_named(each, code) if isinstance(each, types.CodeType) and each.co_name.startswith(LOOP)
                   else each for each in compiled.co_consts)
    return compiled.replace(co_name=code.co_name, co_qualname=code.co_qualname, co_consts=consts)


def _tree(filename, names):
    """The tree of a file and the names of its functions that may wait."""
    lines = linecache.getlines(filename, names)
    known = _read.get(filename)
    if known is not None and known[0] == lines:
        return known[1:]
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        from . import notebook
        tree = notebook.parse(lines, filename)
    waiting = set()
    if tree is not None:
        _note_variables(tree, frozenset())
        # Attributes in which the program keeps what a variable holds.
        waiting.update(target.attr for node in ast.walk(tree)
                       if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
                       for target in node.targets if isinstance(target, ast.Attribute))
        definitions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        before = -1
        while before != len(waiting):
            before = len(waiting)
            waiting.update(node.name for node in definitions
                           if node.name not in waiting and _may_wait(node, waiting))
    _read[filename] = lines, tree, waiting
    return tree, waiting


def _note_variables(node, outer):
    """Notes at each function which names are variables in it: what they call may
    be any function."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            arguments = each.args
            own = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
            own.update(inner.id for inner in _own_nodes(each)
                       if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store))
            each.variables = outer | own
            _note_variables(each, each.variables)
        else:
            _note_variables(each, outer)


def _definition(tree, code):
    """The node that `code` was compiled from."""
    lambdas = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" \
                and node.lineno == code.co_firstlineno and _holds(node.body, code):
            lambdas.append(node)
    # One may be inside of another.
    return min(lambdas, key=_extent, default=None)


def _extent(node):
    return node.end_lineno - node.lineno, node.end_col_offset - node.col_offset


def _holds(body, code):
    """Whether `code` is that of a lambda with this body: two may be in a line."""
    columns = [column for _, _, column, _ in code.co_positions() if column]
    return not columns or body.col_offset <= min(columns) and max(columns) <= body.end_col_offset


def _own_nodes(node):
    """The nodes of a function without those of functions inside it."""
    waiting = deque(node.body if isinstance(node.body, list) else [node.body])
    while waiting:
        each = waiting.popleft()
        yield each
        if _consumes(each):
            waiting.extend(each.args[0].generators)
            waiting.append(each.args[0].elt)
        elif not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
                                   ast.GeneratorExp)):
            waiting.extend(ast.iter_child_nodes(each))


def _consumes(node):
    """Whether a call takes all that a generator expression gives, and nothing else."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
        return False
    function = node.func
    return (isinstance(function, ast.Name) and function.id in CONSUMERS
            or isinstance(function, ast.Attribute) and function.attr == "join")


def _is_loop(node):
    """Whether a comprehension means the same as a loop in a function of its own."""
    return not any(generator.is_async for generator in node.generators) and not any(
        isinstance(each, (ast.NamedExpr, ast.Await)) or isinstance(each, ast.Name) and each.id == "super"
        for each in ast.walk(node))


def _may_wait(node, names):
    own = list(_own_nodes(node))
    if any(isinstance(each, (ast.Yield, ast.YieldFrom, ast.Await)) for each in own):
        return False
    return any(_waits(each, names, node.variables) for each in own)


def _waits(node, names, variables):
    if isinstance(node, ast.Call):
        return _call_waits(node, names, variables) or _iterated_call(node) is not None
    if isinstance(node, ast.With):
        return any(_is_reference(item.context_expr) for item in node.items)
    return isinstance(node, ast.While) and _waits_for_others(node)


def _call_waits(node, names, variables):
    function = node.func
    if isinstance(function, ast.Attribute):
        return ((function.attr in WAITING or function.attr in names or function.attr in CALLABLES)
                and not isinstance(function.value, (ast.Constant, ast.JoinedStr)))
    if isinstance(function, ast.Name):
        return function.id in WAITING or function.id in names or function.id in variables
    # What a table or a call gives may be any function.
    return isinstance(function, (ast.Subscript, ast.Call))


def _is_reference(node):
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))


def _waits_for_others(node):
    """Whether the condition of a loop is more than a comparison of values that
    the loop itself computes."""
    return isinstance(node.test, ast.Constant) or any(
        isinstance(each, (ast.Attribute, ast.Call, ast.Subscript))
        or isinstance(each, ast.Name) and not isinstance(node.test, ast.Compare)
        for each in ast.walk(node.test))


def _iterated_call(node):
    """`f` of `iter(f, sentinel)` where f waits."""
    if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "iter"
            and len(node.args) == 2 and not node.keywords and isinstance(node.args[0], ast.Attribute)
            and node.args[0].attr in WAITING):
        return node.args[0]
    return None


class _Rewriter(ast.NodeTransformer):
    """Puts a `yield from` where a function may wait."""

    def __init__(self, names, variables):
        self.names = names
        self.variables = variables
        self.yields = False
        # Functions that comprehensions became.
        self.loops = []
        self._numbers = itertools.count()

    def _leave(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_GeneratorExp = _leave

    def _visit_comprehension(self, node):
        """A comprehension in which something waits becomes a loop."""
        first, *others = node.generators
        first.iter = self.visit(first.iter)
        inner = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inner += [*first.ifs, *others]
        if not any(_waits(each, self.names, self.variables) for part in inner for each in ast.walk(part)) or not _is_loop(node):
            return node
        elements = ast.Name("_belljar_elements", ast.Load())
        element = ast.Tuple([node.key, node.value], ast.Load()) if isinstance(node, ast.DictComp) else node.elt
        body = [ast.Expr(ast.Call(ast.Attribute(elements, "append", ast.Load()), [element], []))]
        items = ast.Name("_belljar_items", ast.Load())
        for generator in reversed(node.generators):
            for condition in reversed(generator.ifs):
                body = [ast.If(condition, body, [])]
            body = [ast.For(generator.target, items if generator is first else generator.iter, body, [])]
        answer = elements
        if isinstance(node, ast.SetComp):
            answer = ast.Set([ast.Starred(elements, ast.Load())])
        elif isinstance(node, ast.DictComp):
            pair = [ast.Name("_belljar_key", ast.Store()), ast.Name("_belljar_value", ast.Store())]
            answer = ast.DictComp(
                ast.Name("_belljar_key", ast.Load()), ast.Name("_belljar_value", ast.Load()),
                [ast.comprehension(ast.Tuple(pair, ast.Store()), elements, [], 0)])
        start = ast.Assign([ast.Name("_belljar_elements", ast.Store())], ast.List([], ast.Load()))
        name = f"{LOOP}{next(self._numbers)}"
        loop = ast.fix_missing_locations(ast.copy_location(ast.FunctionDef(
            name, ast.arguments([], [ast.arg("_belljar_items")], None, [], [], None, []), body,
            [], None, None, []), node))
        # Comprehensions in it see its variables.
        outer, self.loops = self.loops, []
        body = [self.visit(statement) for statement in body]
        loop.body = [*self.loops, start, *body, ast.Return(answer)]
        self.loops = outer + [ast.fix_missing_locations(loop)]
        call = ast.Call(ast.Name(name, ast.Load()), [first.iter], [])
        self.yields = True
        return ast.fix_missing_locations(ast.copy_location(ast.YieldFrom(ast.copy_location(call, node)), node))

    visit_ListComp = visit_SetComp = visit_DictComp = _visit_comprehension

    def _yield_from(self, helper, arguments, keywords, node):
        self.yields = True
        made = ast.Call(ast.Name(helper, ast.Load()), arguments, keywords)
        return ast.fix_missing_locations(ast.copy_location(ast.YieldFrom(ast.copy_location(made, node)), node))

    def visit_Call(self, node):
        if _consumes(node) and any(_waits(each, self.names, self.variables) for each in ast.walk(node.args[0])):
            values = node.args[0]
            node.args = [ast.copy_location(ast.ListComp(values.elt, values.generators), values)]
        self.generic_visit(node)
        if not _call_waits(node, self.names, self.variables):
            return node
        return self._yield_from("_belljar_call", [node.func, *node.args], node.keywords, node)

    def visit_With(self, node):
        self.generic_visit(node)
        for item in node.items:
            if _is_reference(item.context_expr):
                item.context_expr = self._yield_from("_belljar_enter", [item.context_expr], [],
                                                     item.context_expr)
        return node

    def visit_While(self, node):
        is_watched = _waits_for_others(node)
        self.generic_visit(node)
        if is_watched:
            turn = self._yield_from("_belljar_tick", [], [], node.test)
            node.body.insert(0, ast.copy_location(ast.Expr(turn), node.test))
        return node

    def visit_For(self, node):
        asked = None if node.orelse else _iterated_call(node.iter)
        if asked is None:
            return self.generic_visit(node)
        # for x in iter(q.get, None): the call is made here instead of by iter.
        end = node.iter.args[1]
        value = ast.copy_location(ast.Name("_belljar_item", ast.Load()), node.iter)
        store = ast.copy_location(ast.Name("_belljar_item", ast.Store()), node.iter)
        got = self._yield_from("_belljar_call", [asked], [], node.iter)
        leave = ast.If(ast.Compare(value, [ast.Eq()], [end]), [ast.Break()], [])
        body = [ast.Assign([store], got), leave, ast.Assign([node.target], value),
                *(self.visit(statement) for statement in node.body)]
        for statement in body[:3]:
            ast.copy_location(statement, node.iter)
        return ast.fix_missing_locations(
            ast.copy_location(ast.While(ast.Constant(True), body, []), node))
