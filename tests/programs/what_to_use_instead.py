# What cannot be done says what can.
# stdout:
# |True
# status: exited 1
# error: PermissionError
# traceback has: links cannot be made here; copy the file with shutil.copy, or use ln in bash
# wrote: a.txt
# differs: links can be made elsewhere
import os

try:
    os.get_terminal_size()
except OSError as error:
    print("shutil.get_terminal_size()" in str(error))
open("a.txt", "w").close()
os.symlink("a.txt", "b.txt")
