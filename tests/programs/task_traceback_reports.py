# Catches errors and makes reports of them: chains, notes, groups, frames, source lines.
# stdout:
# |ok [('tea', 1)]
# |OutOfStock only 2 of tea ['wanted 5'] None
# |  at [('<module>', 'order(lines)'), ('order', 'take(item, int(count), stock)'), ('take', 'raise error')]
# |   OutOfStock: only 2 of tea
# |   ['count', 'error', 'item', 'stock'] OutOfStock
# |ShopError bad order [('cup', 'many')]  ValueError("invalid literal for int() with base 10: 'many'")
# |  at [('<module>', 'order(lines)'), ('order', 'raise ShopError(f"bad order {lines}") from error')]
# |   ShopError: bad order [('cup', 'many')]
# |   ['count', 'item', 'lines', 'stock'] ShopError
# |worked at 2
# |keys: (KeyError('try 2'),)
# |others: ['try 1', 'try 3'] flaky failed 3 times
# |inner True False
# |('caller', 2, ['a', 'b']) <module> <module>
# |def caller():
# |    a, b = 1, 2
# |    return where()
# |
# |class OutOfStock(ShopError): Base of all errors. def order(lines):
# |(item, count, stock) errors True flaky
# |Traceback (most recent call last): | {}["x"] | KeyError: 'x' | True <module>
# |[('DeprecationWarning', 'old'), ('FutureWarning', 'new')]
# |raised now an error
# |RecursionError maximum recursion depth exceeded
# |500 True
# |'1/0': ZeroDivisionError: division by zero
# |'x = ': SyntaxError: invalid syntax (<job>, line 1)
# |'undefined': NameError: name 'undefined' is not defined
# |'[].pop()': IndexError: pop from empty list
# |"'a' + 1": TypeError: can only concatenate str (not "int") to str
# |"int('q')": ValueError: invalid literal for int() with base 10: 'q'
# |'None.name': AttributeError: 'NoneType' object has no attribute 'name'
# |'(1).missing': AttributeError: 'int' object has no attribute 'missing'
# |'f(': SyntaxError: '(' was never closed (<job>, line 1)
# |'[1][5]': IndexError: list index out of range
# |'import nothing_here': ModuleNotFoundError: No module named 'nothing_here'
# |'{[]: 1}': TypeError: unhashable type: 'list'
# |"'%d' % 'x'": TypeError: %d format: a real number is required, not str
# |"assert 1 > 2, 'no'": AssertionError: no
# |'lambda: (yield)': fine
# |'a, b = 1': TypeError: cannot unpack non-iterable int object
# |'for x in 5: pass': TypeError: 'int' object is not iterable
# |'max([])': ValueError: max() iterable argument is empty
# |"b'\\xff'.decode()": UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
# |'print(**{1: 2})': TypeError: keywords must be strings
# |'2.0 ** 5000': OverflowError: (34, 'Numerical result out of range')
# |"'abc'.index('z')": ValueError: substring not found
# |'next(iter(()))': StopIteration: 
# |"open('/no/such')": FileNotFoundError: [Errno 2] No such file or directory: '/no/such'
# |'del q': NameError: name 'q' is not defined
# |'class A(1): pass': TypeError: int expected at most 2 arguments, got 3
# |'[].appendd(1)': AttributeError: 'list' object has no attribute 'appendd'
# |'import maths': ModuleNotFoundError: No module named 'maths'
# |ERROR done
import inspect
import io
import logging
import sys
import traceback
import warnings
from functools import wraps


class ShopError(Exception):
    """Base of all errors."""


class OutOfStock(ShopError):
    def __init__(self, item, left):
        super().__init__(item, left)
        self.item, self.left = item, left

    def __str__(self):
        return f"only {self.left} of {self.item}"


def take(item, count, stock):
    if stock.get(item, 0) < count:
        error = OutOfStock(item, stock.get(item, 0))
        error.add_note(f"wanted {count}")
        raise error
    stock[item] -= count


def order(lines):
    stock = {"tea": 2}
    try:
        for item, count in lines:
            take(item, int(count), stock)
    except ValueError as error:
        raise ShopError(f"bad order {lines}") from error


for lines in ([("tea", 1)], [("tea", 5)], [("cup", "many")]):
    try:
        order(lines)
        print("ok", lines)
    except ShopError as error:
        print(type(error).__name__, error, error.__notes__ if hasattr(error, "__notes__") else "", repr(error.__cause__))
        frames = traceback.extract_tb(error.__traceback__)
        print("  at", [(f.name, f.line) for f in frames])
        print("  ", traceback.format_exception_only(error)[0].strip())
        summary = traceback.TracebackException.from_exception(error, capture_locals=True)
        print("  ", sorted(summary.stack[-1].locals), summary.exc_type_str)


def retry(times, *errors):
    def decorate(function):
        @wraps(function)
        def wrapper(*args):
            problems = []
            for attempt in range(1, times + 1):
                try:
                    return function(*args, attempt)
                except errors as error:
                    problems.append(error)
            raise ExceptionGroup(f"{function.__name__} failed {times} times", problems)

        return wrapper

    return decorate


@retry(3, OSError, KeyError)
def flaky(threshold, attempt):
    if attempt < threshold:
        raise (ConnectionError if attempt % 2 else KeyError)(f"try {attempt}")
    return f"worked at {attempt}"


print(flaky(2))
try:
    flaky(9)
except* KeyError as group:
    print("keys:", group.exceptions)
except* OSError as group:
    print("others:", [str(e) for e in group.exceptions], group.message)
try:
    try:
        raise ValueError("inner")
    except ValueError:
        raise KeyError("outer") from None
except KeyError as error:
    print(error.__context__, error.__suppress_context__, "inner" in "".join(traceback.format_exception(error)))


def where():
    frame = inspect.currentframe().f_back
    return frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, sorted(frame.f_locals)


def caller():
    a, b = 1, 2
    return where()


print(caller(), inspect.stack()[0].function, sys._getframe().f_code.co_name)
print(inspect.getsource(caller))
print(inspect.getsource(OutOfStock).splitlines()[0], inspect.getdoc(ShopError), inspect.getsourcelines(order)[0][0].strip())
print(inspect.signature(take), inspect.getfullargspec(retry).varargs, inspect.isclass(ShopError), inspect.unwrap(flaky).__name__)
out = io.StringIO()
try:
    {}["x"]
except KeyError:
    traceback.print_exc(file=out, limit=1)
    kind, value, tb = sys.exc_info()
lines = out.getvalue().splitlines()
print(lines[0], "|", lines[2].strip(), "|", lines[-1], "|", kind is KeyError, tb.tb_frame.f_code.co_name)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    warnings.warn("new", FutureWarning)
print([(w.category.__name__, str(w.message)) for w in caught])
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        warnings.warn("now an error")
    except UserWarning as error:
        print("raised", error)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


try:
    deep(10**6)
except RecursionError as error:
    print(type(error).__name__, str(error)[:32])
print(deep(500), sys.getrecursionlimit() >= 1000)
for code in ("1/0", "x = ", "undefined", "[].pop()", "'a' + 1", "int('q')", "None.name", "(1).missing", "f(", "[1][5]", "import nothing_here", "{[]: 1}", "'%d' % 'x'", "assert 1 > 2, 'no'", "lambda: (yield)", "a, b = 1", "for x in 5: pass", "max([])", "b'\\xff'.decode()", "print(**{1: 2})", "2.0 ** 5000", "'abc'.index('z')", "next(iter(()))", "open('/no/such')", "del q", "class A(1): pass", "[].appendd(1)", "import maths"):
    try:
        exec(compile(code, "<job>", "exec"), {})
        print(f"{code!r}: fine")
    except Exception as error:
        print(f"{code!r}: {type(error).__name__}: {error}")
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
logging.getLogger().error("done", exc_info=None)
