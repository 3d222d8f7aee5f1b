# Mixed indentation is told as such.
# status: exited 1
# error: IndentationError
# error has: unexpected indent
x = 1
    y = 2
