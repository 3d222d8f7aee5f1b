# The command of an installer is refused with what to do instead.
# differs: the error says what to do instead
# status: exited 1
# error: SyntaxError
# error has: cannot install packages
pip install numpy
