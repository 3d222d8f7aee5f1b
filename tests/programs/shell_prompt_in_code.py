# What was copied from a terminal gets advice about its prompt.
# differs: the error says what to use instead
# status: exited 1
# error: SyntaxError
# error has: `$ ` is the prompt of a shell: there is no shell here
$ ls -la
