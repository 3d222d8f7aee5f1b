# What it leaves in /tmp is named as that, and is not in its own folder.
# stdout:
# |[] ['out.csv', 'sub']
# |/tmp/sub /workspace
# |True True
# wrote: /tmp/out.csv /tmp/sub/x
import os
import tempfile
from pathlib import Path

home, folder = os.getcwd(), tempfile.gettempdir()
Path(folder, "out.csv").write_text("a,b\n")
os.makedirs(f"{folder}/sub")
print(os.listdir(), sorted(os.listdir(folder)))
os.chdir(f"{folder}/sub")
Path("x").write_text("x")
here = os.getcwd()
os.chdir(home)
print(here, os.getcwd())
print(os.path.exists(f"{folder}/sub/x"), os.path.samefile(f"{folder}/sub/x", f"{folder}/sub/../sub/x"))
