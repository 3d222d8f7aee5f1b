# A misspelt name comes with the suggestion of the interpreter.
# status: exited 1
# error: NameError
# error has: name 'totl' is not defined
# traceback has: Did you mean: 'total'?
total = 3
print(totl)
