# A plotting library that is not there says how to draw instead.
# differs: the error says what to use instead
# status: exited 1
# error: ModuleNotFoundError
# error has: SVG
import matplotlib.pyplot as plt

plt.plot([1, 2, 3])
plt.savefig("plot.png")
