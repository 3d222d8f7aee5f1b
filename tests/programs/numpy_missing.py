# A package that is not there is named, with what to use instead.
# differs: the error says what to use instead
# status: exited 1
# error: ModuleNotFoundError
# error has: No module named 'numpy'
# error has: statistics
# traceback has: line 9, in <module>
# traceback has: import numpy as np
import numpy as np

print(np.arange(3))
