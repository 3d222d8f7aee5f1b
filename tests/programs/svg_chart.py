# Draws a bar chart as SVG and shows it.
# differs: `IPython.display` is there without IPython
# output has: image/svg+xml <rect x="20"
# stdout:
# |3 bars
from IPython.display import SVG, display

values = [3, 1, 2]
bars = "".join(
    f'<rect x="{20 * index}" y="{60 - 20 * value}" width="15" height="{20 * value}"/>'
    for index, value in enumerate(values)
)
display(SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="60">{bars}</svg>'))
print(len(values), "bars")
