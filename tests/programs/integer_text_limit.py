# The interpreter's own bound on integer texts is an ordinary error.
# status: exited 1
# error: ValueError
# error has: Exceeds the limit (4300 digits)
str(10**5000)
