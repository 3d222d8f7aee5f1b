# A magic that does not work is named.
# differs: the error says what to do instead
# status: exited 1
# error: SyntaxError
# error has: %who does not work
%who
