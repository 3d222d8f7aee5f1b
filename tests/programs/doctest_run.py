# Runs examples in doc strings.
# stdout has: line 16, in __main__.add
# stdout has: Expected:
# stdout has: Got:
# result: TestResults(failed=1, attempted=3)
import doctest


def add(a, b):
    """Adds.

    >>> add(1, 2)
    3
    >>> add("a", "b")
    'ab'
    >>> add(2, 2)
    5
    """
    return a + b


doctest.testmod(verbose=False)
