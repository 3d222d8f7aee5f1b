# A traceback shows nothing of what is between the program and its Python.
# status: exited 1
# error: ModuleNotFoundError
# traceback has: import pandas
# traceback lacks: belljar
# traceback lacks: frozen
import pandas
