# A file that is not there is an ordinary error with its name.
# status: exited 1
# error: FileNotFoundError
# error has: 'missing.csv'
open("missing.csv")
