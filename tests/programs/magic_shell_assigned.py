# The output of a shell line is refused with what to use.
# differs: the error says what to use instead
# status: exited 1
# error: SyntaxError
# error has: no shell
# traceback has: files = !ls
files = !ls
