# Imports a module and a package that came along as files.
# file helpers.py:
# |def double(x):
# |    return 2 * x
# file pack/__init__.py:
# |from .inner import NAME
# file pack/inner.py:
# |NAME = "inner"
# stdout:
# |42 inner
import sys

sys.dont_write_bytecode = True
import helpers
from pack import NAME

print(helpers.double(21), NAME)
