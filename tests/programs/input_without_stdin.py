# Asking a person who is not there is an error that says what to do.
# status: exited 1
# stdout: "name? "
# error: EOFError
# traceback has: stdin of the call
name = input("name? ")
print(name)
