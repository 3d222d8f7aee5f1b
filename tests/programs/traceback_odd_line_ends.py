# Lines of a traceback are those of Python, whatever the text holds.
# status: exited 1
# error: ZeroDivisionError
# traceback has: line 9, in f
# traceback has: return 1 / 0
# traceback has: line 12, in <module>
x = "abcde f"
def f():
    return 1 / 0
#   and  and 
y = ""
f()
