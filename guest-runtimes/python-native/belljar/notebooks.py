"""The machine's own IPython shows into the reply: outside of a notebook it would
print what objects are called.
"""
from . import display as own


def change(module):
    """Has what a program shows through `module` shown here."""
    for function in (display, update_display, publish_display_data, clear_output):
        if hasattr(module, function.__name__):
            setattr(module, function.__name__, function)


def display(*objs, include=None, exclude=None, metadata=None, transient=None, display_id=None,
            raw=False, clear=False, **options):
    """Shows values to the reader of the reply, in their richest form."""
    own.display(*objs, raw=raw)
    if not display_id:
        return None
    from IPython.display import DisplayHandle
    return DisplayHandle() if display_id is True else DisplayHandle(display_id)


def update_display(obj, *, display_id=None, **options):
    """Shows a value anew: nothing that was shown can be changed."""
    own.display(obj)


def publish_display_data(data, metadata=None, *, transient=None, **options):
    """Shows data that is a MIME bundle already."""
    own.display(data, raw=True)


def clear_output(wait=False):
    """Does nothing: outputs of a run are a list."""
