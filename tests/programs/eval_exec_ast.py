# Evaluates expressions safely and compiles code.
# stdout:
# |[1, {'a': (2, 3)}] 1024 x = 1 + 2
# |42
# |refused True
import ast

print(ast.literal_eval("[1, {'a': (2, 3)}]"), eval("2 ** 10"), ast.unparse(ast.parse("x=1+2 # c")))
space = {}
exec(compile("def f(n):\n    return n * 3", "<made>", "exec"), space)
print(space["f"](14))
try:
    ast.literal_eval("__import__('os')")
except ValueError as error:
    print("refused", "malformed" in str(error))
