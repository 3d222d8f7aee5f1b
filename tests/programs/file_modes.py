# Sets modes, and sees the usual ones on what it makes.
# stdout:
# |0o100644 0o40755 0o755
# |0o100755 -rwxr-xr-x True
# |0o600 0o640 0o700 0o750
# |0o755 0o640 0o755
# |['0o100755', '0o100644']
# |[('a.txt', '0o100644'), ('run.sh', '0o100755')]
# |0o755 0o644
# |0o444 False PermissionError 13
# |0o600 0o711
# |FileNotFoundError NotADirectoryError
# wrote: a.txt copied made opened out/a.txt out/run.sh pack.tar pack.zip plain read_only run.sh touched
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path


def mode(path):
    return oct(stat.S_IMODE(os.stat(path).st_mode))


Path("a.txt").write_text("a")
Path("d").mkdir()
os.makedirs("d/e/f")
print(oct(os.stat("a.txt").st_mode), oct(os.stat("d").st_mode), mode("d/e/f"))
Path("run.sh").write_text("#!/bin/sh\n")
os.chmod("run.sh", 0o755)
print(oct(os.stat("run.sh").st_mode), stat.filemode(os.lstat("run.sh").st_mode), os.access("run.sh", os.X_OK))

handle, name = tempfile.mkstemp()
os.close(handle)
os.close(os.open("opened", os.O_CREAT | os.O_WRONLY, 0o640))
os.mkdir("m", 0o700)
Path("n").mkdir(0o750)
print(mode(name), mode("opened"), mode("m"), mode("n"))
os.unlink(name)

shutil.copy("run.sh", "copied")
Path("touched").touch(0o640)
os.close(os.open("plain", os.O_CREAT | os.O_WRONLY))
print(mode("copied"), mode("touched"), mode("plain"))

with zipfile.ZipFile("pack.zip", "w") as pack:
    pack.write("run.sh")
    pack.write("a.txt")
    print([oct(member.external_attr >> 16) for member in pack.infolist()])
with tarfile.open("pack.tar", "w") as pack:
    for name in ("a.txt", "run.sh"):
        pack.add(name)
    print([(member.name, oct(member.mode)) for member in pack.getmembers()])
with tarfile.open("pack.tar") as pack:
    pack.extractall("out", filter="data")
print(mode("out/run.sh"), mode("out/a.txt"))

Path("read_only").write_text("kept")
os.chmod("read_only", stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
try:
    open("read_only", "w")
except OSError as error:
    print(mode("read_only"), os.access("read_only", os.W_OK), type(error).__name__, error.errno)

with open("made", "w") as made:
    os.fchmod(made.fileno(), 0o600)
os.chmod("d", 0o711)
print(mode("made"), mode("d"))
for path in ("missing", "a.txt/below"):
    try:
        os.chmod(path, 0o644)
    except OSError as error:
        print(type(error).__name__, end=" " if path == "missing" else "\n")
