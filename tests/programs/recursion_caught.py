# Endless recursion can be caught, and the program goes on.
# stdout:
# |caught
# |900
def down(n):
    return down(n + 1)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


try:
    down(0)
except RecursionError:
    print("caught")
print(depth(900))
