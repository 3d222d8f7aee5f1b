# A notebook command for installing packages is a syntax error with advice.
# differs: the error says what to use instead
# status: exited 1
# error: SyntaxError
# error has: cannot install packages
!pip install pandas
