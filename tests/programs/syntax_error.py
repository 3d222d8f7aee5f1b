# A program that cannot be parsed says where.
# status: exited 1
# error: SyntaxError
# traceback has: line 8
# traceback has: print("never"
# traceback has: ^
x = 1
print("never"
