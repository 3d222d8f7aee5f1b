# Cells with magics, as a notebook exported as a program calls them.
# differs: a stand-in for IPython is there
# status: exited 1
# stdout has: 6
# stdout has: Wall time:
# error: RuntimeError
# error has: %%bash does not work here: there is no shell
get_ipython().run_cell_magic("time", "", "x = sum(range(4))\n")
get_ipython().run_cell_magic("capture", "", "print(x)\n")
get_ipython().run_cell_magic("bash", "", "ls\n")
