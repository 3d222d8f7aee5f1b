# Prompts of an interactive Python get advice.
# differs: the error says what to do instead
# status: exited 1
# error: SyntaxError
# error has: remove the prompts
>>> x = 1
>>> print(x)
1
