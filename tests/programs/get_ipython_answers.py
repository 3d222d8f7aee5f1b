# get_ipython() is false, does what a notebook exported as a program asks, and refuses the rest by name.
# differs: a stand-in for IPython is there
# status: exited 1
# stdout: "False True\n"
# error: RuntimeError
# error has: no shell
import IPython

get_ipython().run_line_magic("matplotlib", "inline")
print(bool(get_ipython()), IPython.get_ipython() is get_ipython())
get_ipython().system("ls")
