# A magic that does not work is named.
# status: exited 1
# error: SyntaxError
# error has: %who does not work
%who
