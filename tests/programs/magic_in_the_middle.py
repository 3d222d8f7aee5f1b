# A cell magic below other code is no part of that program.
# differs: the error says what to do instead
# status: exited 1
# error: SyntaxError
# error has: %%bash is in the middle of the program
x = 1
%%bash
ls
