"""The older address of the functions of `IPython.display`."""
from IPython.display import (  # noqa: F401
    DisplayHandle, clear_output, display, publish_display_data, update_display)
