# A cell of another language names that language.
# differs: the error says what to do instead
# status: exited 1
# error: SyntaxError
# error has: language 'bash'
%%bash
ls
