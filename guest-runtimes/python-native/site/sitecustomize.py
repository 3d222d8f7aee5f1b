"""Found by every Python that a program of this machine starts: the changes that
fit multiprocessing and the like to the sandbox hold there too.
"""
import os
import sys


def begin():
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(here)
    sys.path.insert(0, root)
    try:
        from belljar import late
    finally:
        sys.path.remove(root)
    late.begin()
    # Programs do not see where it came from, and find the one of the machine.
    sys.path[:] = [place for place in sys.path if place != here]
    own = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ImportError:
        pass
    finally:
        sys.modules.setdefault(__name__, own)


if sys.version_info >= (3, 8):
    begin()
