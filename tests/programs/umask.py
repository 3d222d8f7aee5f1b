# What it makes has the modes that its umask leaves.
# stdout:
# |0o22 0o77
# |0o100600 0o40700
# |0o100666 0o40777
import os
from pathlib import Path

before = os.umask(0o077)
print(oct(before), oct(os.umask(0o077)))
Path("private").write_text("x")
os.mkdir("private.d")
print(oct(os.stat("private").st_mode), oct(os.stat("private.d").st_mode))
os.umask(0)
Path("open").write_text("x")
os.mkdir("open.d")
print(oct(os.stat("open").st_mode), oct(os.stat("open.d").st_mode))
os.umask(before)
os.unlink("private")
os.unlink("open")
