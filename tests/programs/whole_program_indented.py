# A program that is indented as a whole gets advice.
# differs: the error says what to do instead
# status: exited 1
# error: IndentationError
# error has: the whole program is indented by 4 spaces
    x = 1
    print(x)
