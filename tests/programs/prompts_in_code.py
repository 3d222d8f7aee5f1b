# Prompts of an interactive Python get advice.
# status: exited 1
# error: SyntaxError
# error has: remove the prompts
>>> x = 1
>>> print(x)
1
