# A package that nobody has heard of says that nothing can be installed.
# status: exited 1
# error: ModuleNotFoundError
# error has: No module named 'some_package'
# traceback has: cannot install packages
import some_package
