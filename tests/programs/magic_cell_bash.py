# A cell of another language names that language.
# status: exited 1
# error: SyntaxError
# error has: language 'bash'
%%bash
ls
