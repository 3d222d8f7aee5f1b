# What it leaves in /tmp is named as that, and is not in its own folder.
# stdout:
# |[] ['out.csv', 'sub']
# |/tmp/sub /workspace
# |True True
# wrote: /tmp/out.csv /tmp/sub/x
import os
from pathlib import Path

Path("/tmp/out.csv").write_text("a,b\n")
os.makedirs("/tmp/sub")
print(os.listdir(), sorted(os.listdir("/tmp")))
os.chdir("/tmp/sub")
Path("x").write_text("x")
here = os.getcwd()
os.chdir("/workspace")
print(here, os.getcwd())
print(os.path.exists("/tmp/sub/x"), os.path.samefile("/tmp/sub/x", "/tmp/sub/../sub/x"))
