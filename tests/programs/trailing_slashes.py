# Names of folders may end in a slash.
# stdout:
# |b ['b'] ['b/inner/x.txt']
# |['inner']
# |NotADirectoryError 20
# |FileExistsError
# |NotADirectoryError
# |['c', 'plain']
# wrote: plain
import os
import shutil
from pathlib import Path


def fails(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error
    return None


os.mkdir("a/")
os.makedirs("a/inner/")
Path("a/inner/x.txt").write_text("x")
print(shutil.move("a/", "b").rstrip("/"), os.listdir(), [str(path) for path in Path("b/").rglob("*.txt")])
os.rename("b/", "c/")
print(os.listdir("c/"))
Path("plain").write_text("x")
error = fails(os.rename, "plain/", "other")
print(type(error).__name__, error.errno)
print(type(fails(os.mkdir, "c/")).__name__)
print(type(fails(open, "plain/")).__name__)
os.unlink("c/inner/x.txt")
os.rmdir("c/inner/")
os.replace("c/", "d/")
os.rename("d", "c")
print(sorted(os.listdir("./")))
