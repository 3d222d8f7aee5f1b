# Endless recursion is an ordinary exception, with a short traceback.
# status: exited 1
# error: RecursionError
# error has: maximum recursion depth exceeded
def down(n):
    return down(n + 1)


down(0)
