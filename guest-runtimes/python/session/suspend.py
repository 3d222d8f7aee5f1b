"""Functions that can be left where they wait, and gone on with later.

A function of a program that runs in a thread is compiled anew from its source as a
generator: calls that may wait, `with` of a lock and loops that wait for somebody
else become places where it yields what it waits for (see `threads.Wait`). All
else of it is as it was, its lines and names included.
"""
import _thread
import ast
import copy
import functools
import linecache
import queue
import threading
import types
from collections import deque
from time import monotonic

from . import threads
from .errors import LIBRARIES
from .threads import Wait

# Names of methods and functions that wait.
WAITING = frozenset(("acquire", "wait", "wait_for", "get", "put", "join", "sleep", "run",
                     "is_alive", "is_set"))
GENERATOR_FLAGS = 0x20 | 0x80 | 0x100 | 0x200
# What `from __future__ import annotations` sets.
FUTURE_FLAGS = 0x1000000
# What compiled functions call, by the names they have there.
HELPERS = ("_belljar_call", "_belljar_enter", "_belljar_tick")

_LOCK = _thread.LockType
# code -> (code of the generator, its helpers) or None; file -> (lines, tree, names).
_made = {}
_read = {}


class _Returned:
    """What `yield from` takes a value from at once."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(self.value)


def call(function, /, *args, **kwargs):
    """Calls a function by way of `yield from`: it is left where it waits, if it
    can be."""
    kind = type(function)
    if kind is types.MethodType:
        plain, owner = function.__func__, function.__self__
        waiting = _METHODS.get(plain)
        if waiting is not None:
            return waiting(owner, *args, **kwargs)
        if type(plain) is types.FunctionType:
            made = generator_of(plain)
            if made is not None:
                return made(owner, *args, **kwargs)
    elif kind is types.FunctionType:
        if function is threads.sleep:
            return _sleep(*args, **kwargs)
        made = generator_of(function)
        if made is not None:
            return made(*args, **kwargs)
    elif kind is types.BuiltinMethodType:
        if type(function.__self__) is _LOCK and function.__name__ == "acquire":
            return _acquire(function.__self__, *args, **kwargs)
    elif kind is functools.partial:
        return call(function.func, *function.args, *args, **{**function.keywords, **kwargs})
    elif not isinstance(function, type):
        inner = getattr(kind, "__call__", None)
        if type(inner) is types.FunctionType:
            made = generator_of(inner)
            if made is not None:
                return made(function, *args, **kwargs)
    return _Returned(function(*args, **kwargs))


def enter(manager):
    """The manager of a `with` whose lock, if it is one, was waited for."""
    if isinstance(manager, threading.Condition):
        return _entered(manager, manager._lock)
    if isinstance(manager, (_LOCK, threading._PyRLock)):
        return _entered(manager, manager)
    if isinstance(manager, threading.Semaphore):
        return _entered(manager, manager)
    return _Returned(manager)


class _Held:
    """A lock that is held already."""

    def __init__(self, manager):
        self.manager = manager

    def __enter__(self):
        return True

    def __exit__(self, *failure):
        return self.manager.__exit__(*failure)


def _entered(manager, lock):
    if type(lock) in (_LOCK, threading._PyRLock):
        yield from _acquire(lock)
    else:
        yield from _semaphore_acquire(lock)
    return _Held(manager)


# ---- waiting, one generator for each call that waits ----

def _until(timeout):
    return None if timeout is None else monotonic() + timeout


def _never():
    return False


def _sleep(seconds, /):
    if not seconds > 0:
        threads._real_sleep(seconds)
    yield Wait(_never, monotonic() + seconds, "time to pass")


def _block(lock):
    return lock._block if isinstance(lock, threading._PyRLock) else lock


def _acquire(lock, blocking=True, timeout=-1):
    if not blocking or timeout is not None and timeout < 0 and timeout != -1:
        return lock.acquire(blocking, timeout)
    until = None if timeout == -1 else monotonic() + timeout
    inner = _block(lock)
    while not lock.acquire(False):
        if until is not None and monotonic() >= until:
            return False
        yield Wait(lambda: not inner.locked(), until, "a lock")
    return True


def _condition_wait(condition, timeout=None):
    if not condition._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = _thread.allocate_lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    saved = condition._release_save()
    notified = False
    try:
        notified = yield from _acquire(waiter, True, -1 if timeout is None else max(timeout, 0))
        return notified
    finally:
        inner = _block(condition._lock)
        while inner.locked():
            yield Wait(lambda: not inner.locked(), None, "the lock of a condition")
        condition._acquire_restore(saved)
        if not notified:
            try:
                condition._waiters.remove(waiter)
            except ValueError:
                pass


def _condition_wait_for(condition, predicate, timeout=None):
    until = _until(timeout)
    result = predicate()
    while not result:
        left = None
        if until is not None:
            left = until - monotonic()
            if left <= 0:
                break
        yield from _condition_wait(condition, left)
        result = predicate()
    return result


def _event_wait(event, timeout=None):
    condition = event._cond
    yield from _acquire(condition._lock)
    try:
        signaled = event._flag
        if not signaled:
            signaled = yield from _condition_wait(condition, timeout)
        return signaled
    finally:
        condition.release()


def _event_is_set(event):
    yield from threads.tick()
    return event._flag


def _semaphore_acquire(semaphore, blocking=True, timeout=None):
    if not blocking:
        return semaphore.acquire(blocking, timeout)
    until = _until(timeout)
    while not semaphore.acquire(False):
        if until is not None and monotonic() >= until:
            return False
        yield Wait(lambda: semaphore._value > 0, until, "a semaphore")
    return True


def _barrier_wait(barrier, timeout=None):
    if timeout is None:
        timeout = barrier._timeout
    condition = barrier._cond
    yield from _acquire(condition._lock)
    try:
        # Draining: -1 resetting, 1 letting the others go.
        while barrier._state in (-1, 1):
            yield from _condition_wait(condition)
        if barrier._state < 0:
            raise threading.BrokenBarrierError
        index = barrier._count
        barrier._count += 1
        try:
            if index + 1 == barrier._parties:
                barrier._release()
            else:
                if not (yield from _condition_wait_for(condition, lambda: barrier._state != 0, timeout)):
                    barrier._break()
                    raise threading.BrokenBarrierError
                if barrier._state < 0:
                    raise threading.BrokenBarrierError
            return index
        finally:
            barrier._count -= 1
            barrier._exit()
    finally:
        condition.release()


def _thread_join(thread, timeout=None):
    if (not thread._initialized or not thread._started.is_set()
            or thread is threading.current_thread()):
        return thread.join(timeout)
    until = None if timeout is None else monotonic() + max(timeout, 0)
    if not thread._handle.is_done():
        yield Wait(thread._handle.is_done, until, f"the end of {thread._name}")
    return None


def _thread_run(thread):
    try:
        if thread._target is not None:
            yield from call(thread._target, *thread._args, **thread._kwargs)
    finally:
        del thread._target, thread._args, thread._kwargs


def _timer_run(timer):
    yield from call(timer.finished.wait, timer.interval)
    if not timer.finished.is_set():
        yield from call(timer.function, *timer.args, **timer.kwargs)
    timer.finished.set()


def _thread_is_alive(thread):
    yield from threads.tick()
    return threads._standard_is_alive(thread)


def _queue_get(waited, block=True, timeout=None):
    if not block or timeout is not None and timeout < 0:
        return waited.get(block, timeout)
    until = _until(timeout)
    while not (waited._qsize() or getattr(waited, "is_shutdown", False)):
        if until is not None and monotonic() >= until:
            break
        yield Wait(lambda: waited._qsize() or getattr(waited, "is_shutdown", False), until,
                   "an item of a queue")
    return waited.get(False)


def _queue_put(waited, item, block=True, timeout=None):
    if not block or waited.maxsize <= 0 or timeout is not None and timeout < 0:
        return waited.put(item, block, timeout)
    until = _until(timeout)

    def is_open():
        return waited._qsize() < waited.maxsize or getattr(waited, "is_shutdown", False)

    while not is_open():
        if until is not None and monotonic() >= until:
            break
        yield Wait(is_open, until, "room in a queue")
    return waited.put(item, False)


def _queue_join(waited):
    while waited.unfinished_tasks:
        yield Wait(lambda: not waited.unfinished_tasks, None, "the tasks of a queue")


def _simple_queue_get(waited, block=True, timeout=None):
    if not block or timeout is not None and timeout < 0:
        return waited.get(block, timeout)
    if not (yield from _semaphore_acquire(waited._count, True, timeout)):
        raise queue.Empty
    return waited._queue.popleft()


_METHODS = {
    threading.Condition.wait: _condition_wait,
    threading.Condition.wait_for: _condition_wait_for,
    threading.Event.wait: _event_wait,
    threading.Semaphore.acquire: _semaphore_acquire,
    threading.Barrier.wait: _barrier_wait,
    threading._PyRLock.acquire: _acquire,
    threading.Thread.join: _thread_join,
    threading.Thread.run: _thread_run,
    threading.Timer.run: _timer_run,
    threads._is_alive: _thread_is_alive,
    threads._is_set: _event_is_set,
    queue.Queue.get: _queue_get,
    queue.Queue.put: _queue_put,
    queue.Queue.join: _queue_join,
    queue._PySimpleQueue.get: _simple_queue_get,
}


# ---- compiling anew ----

def generator_of(function):
    """The function as a generator function; None when it never waits, or its
    source is not known."""
    code = function.__code__
    try:
        made = _made[code]
    except KeyError:
        made = _made[code] = _make(function, code)
    if made is None:
        return None
    cells = dict(zip(code.co_freevars, function.__closure__ or ()))
    helpers = {"_belljar_call": call, "_belljar_enter": enter, "_belljar_tick": threads.tick}
    try:
        closure = tuple(cells[name] if name in cells else types.CellType(helpers[name])
                        for name in made.co_freevars)
    except KeyError:
        return None
    result = types.FunctionType(made, function.__globals__, function.__name__,
                                function.__defaults__, closure)
    result.__kwdefaults__ = function.__kwdefaults__
    return result


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
    body = _Rewriter(names)
    made.body = [body.visit(statement) for statement in made.body]
    if not body.yields:
        return None
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
    return compiled.replace(co_name=code.co_name, co_qualname=code.co_qualname)


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
        definitions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        before = -1
        while before != len(waiting):
            before = len(waiting)
            waiting.update(node.name for node in definitions
                           if node.name not in waiting and _may_wait(node, waiting))
    _read[filename] = lines, tree, waiting
    return tree, waiting


def _definition(tree, code):
    """The node that `code` was compiled from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" \
                and node.lineno == code.co_firstlineno and _holds(node.body, code):
            return node
    return None


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
        if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
                                 ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            waiting.extend(ast.iter_child_nodes(each))


def _may_wait(node, names):
    own = list(_own_nodes(node))
    if any(isinstance(each, (ast.Yield, ast.YieldFrom, ast.Await)) for each in own):
        return False
    return any(_waits(each, names) for each in own)


def _waits(node, names):
    if isinstance(node, ast.Call):
        return _call_waits(node, names) or _iterated_call(node) is not None
    if isinstance(node, ast.With):
        return any(_is_reference(item.context_expr) for item in node.items)
    return isinstance(node, ast.While) and _waits_for_others(node)


def _call_waits(node, names):
    function = node.func
    if isinstance(function, ast.Attribute):
        return ((function.attr in WAITING or function.attr in names)
                and not isinstance(function.value, (ast.Constant, ast.JoinedStr)))
    return isinstance(function, ast.Name) and (function.id in WAITING or function.id in names)


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

    def __init__(self, names):
        self.names = names
        self.yields = False

    def _leave(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _leave

    def _yield_from(self, helper, arguments, keywords, node):
        self.yields = True
        made = ast.Call(ast.Name(helper, ast.Load()), arguments, keywords)
        return ast.fix_missing_locations(ast.copy_location(ast.YieldFrom(ast.copy_location(made, node)), node))

    def visit_Call(self, node):
        self.generic_visit(node)
        if not _call_waits(node, self.names):
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
