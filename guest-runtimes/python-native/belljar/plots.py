"""Matplotlib draws into the reply: `show` sends the open figures, and so does
the end of a program for those that it neither showed nor saved nor closed.

Named by MPLBACKEND, so it is loaded with pyplot and costs nothing without.
"""
import io
import os
import sys

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import display

# What a figure is drawn with when it does not say.
DEFAULT_FORMAT = "png"


class FigureCanvas(FigureCanvasAgg):
    """Remembers figures that were written to a file: that file is the picture."""

    is_saved = False

    def print_figure(self, filename, *args, **options):
        if isinstance(filename, (str, os.PathLike)):
            self.is_saved = True
        return super().print_figure(filename, *args, **options)


class FigureManager(FigureManagerBase):
    """A figure without a window."""

    # What was sent of it: the end of the program need not send that again.
    sent = None

    @classmethod
    def pyplot_show(cls, *, block=None):
        show()

    def show(self):
        _send(self)


FigureCanvas.manager_class = FigureManager


def show(*args, **options):
    """Sends all open figures and closes them, as a notebook does."""
    from matplotlib import pyplot
    from matplotlib._pylab_helpers import Gcf
    for manager in Gcf.get_all_fig_managers():
        _send(manager)
    pyplot.close("all")


def show_rest():
    """Sends what a program drew and left open, if it drew anything at all."""
    if "matplotlib.pyplot" not in sys.modules:
        return
    from matplotlib._pylab_helpers import Gcf
    for manager in Gcf.get_all_fig_managers():
        if not manager.canvas.is_saved and manager.canvas.figure.get_axes():
            _send(manager)


def _send(manager):
    canvas = manager.canvas
    drawn = io.BytesIO()
    FigureCanvasAgg.print_figure(canvas, drawn, format=DEFAULT_FORMAT, bbox_inches="tight")
    text = repr(canvas.figure)
    picture = drawn.getvalue()
    if picture == manager.sent:
        return
    manager.sent = picture
    display.display({"image/png": picture, "text/plain": text}, raw=True)
