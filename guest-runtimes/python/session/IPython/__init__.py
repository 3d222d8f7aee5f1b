"""What programs written for notebooks import of IPython."""
import builtins

from . import display  # noqa: F401

version_info = (8, 0, 0, "")
__version__ = "8.0.0"
__all__ = ["get_ipython", "display", "version_info"]


def get_ipython():
    """There is no shell: false, but it knows a few magics."""
    return builtins.get_ipython()


def start_ipython(*args, **kwargs):
    """There is nobody to talk to."""
    raise RuntimeError("there is no IPython shell here")


embed = start_ipython
