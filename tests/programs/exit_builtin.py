# The builtin exit() ends a program too.
# status: exited 7
exit(7)
