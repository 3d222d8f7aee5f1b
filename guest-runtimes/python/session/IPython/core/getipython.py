"""The older address of `get_ipython`."""
from IPython import get_ipython  # noqa: F401
