# Asking whether a package is there answers; importing it advises.
# differs: some modules are not here, and importing them says what to use instead
# stdout:
# |None
# |None
# |[]
# |True True
# |numpy No module named 'numpy': not in this sandbox
# |pandas No module named 'pandas': not in this sandbox
# |curses No module named 'curses': not in this sandbox
# |nothing_like_it No module named 'nothing_like_it'
import importlib
import importlib.util

print(importlib.util.find_spec("numpy"))
print(importlib.util.find_spec("nothing_like_it"))
NAMES = "pandas matplotlib requests yaml torch PIL curses mmap termios _ssl tkinter pip venv scipy sympy cv2".split()
print([name for name in NAMES if importlib.util.find_spec(name) is not None])
print(importlib.util.find_spec("json") is not None, importlib.util.find_spec("ctypes") is not None)
for name in ("numpy", "pandas", "curses", "nothing_like_it"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(error.name, str(error).partition(";")[0])
