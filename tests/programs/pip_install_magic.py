# A notebook command for installing packages is a syntax error with advice.
# status: exited 1
# error: SyntaxError
# error has: cannot install packages
!pip install pandas
