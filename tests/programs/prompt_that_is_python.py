# A prompt that Python takes for the type of a member gets advice too.
# status: exited 1
# error: NameError
# traceback has: Hint: remove the prompts
In [1]: x = 1
