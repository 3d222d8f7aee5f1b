# The usual names of IPython's display modules.
# differs: a stand-in for IPython is there
# stdout:
# |Audio cannot be shown in this sandbox
# |YouTubeVideo cannot be shown in this sandbox
# |IFrame cannot be shown in this sandbox
# output has: text/html <b>x</b>
# output has: text/markdown # y
# output has: text/latex x^2
# output has: text/html <i>raw</i>
from IPython import get_ipython
from IPython.core.display import HTML, display
from IPython.display import (
    JSON, SVG, Audio, DisplayHandle, FileLink, IFrame, Image, Javascript, Latex, Markdown, Math,
    Video, YouTubeVideo, clear_output, display_html, display_markdown, display_png, update_display)

display(HTML("<b>x</b>"))
display_markdown(Markdown("# y"))
handle = display(Math("x^2"), display_id="a")
assert isinstance(handle, DisplayHandle)
clear_output(wait=True)
display_html("<i>raw</i>", raw=True)
for kind in (Audio, YouTubeVideo, IFrame):
    try:
        kind("data")
    except NotImplementedError as error:
        print(str(error).partition(":")[0])
