# A notebook command for the shell is a syntax error with advice.
# differs: the error says what to use instead
# status: exited 1
# error: SyntaxError
# error has: no shell
import os
!ls -la
