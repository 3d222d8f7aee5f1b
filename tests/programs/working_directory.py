# Where a program is has no dots and no way in it, however it came there.
# stdout:
# |True True
# |True
# |a/b
# |a []
# |True
# |True False True
# |/tmp/way
# |/tmp
# |FileNotFoundError True
# |FileNotFoundError True
# |FileNotFoundError True
import contextlib
import os
import pathlib

os.makedirs("a/b")
os.chdir("a")
os.chdir("..")
print(os.getcwd() == str(pathlib.Path.cwd().resolve()), os.path.basename(os.getcwd()) != "..")
home = os.getcwd()
os.chdir("a/b")
os.chdir("../..")
print(os.getcwd() == home)
os.chdir("./a/./b//")
print(os.path.relpath(os.getcwd(), home))
os.chdir("..")
os.rmdir("b")
print(os.path.relpath(os.getcwd(), home), os.listdir("."))
with contextlib.chdir(".."):
    print(os.getcwd() == home)
os.chdir(pathlib.Path("..") / "a" / "..")
os.rmdir("a")
print(os.getcwd() == home, os.path.exists("a"), os.path.abspath("x") == os.path.join(home, "x"))
os.chdir("/tmp")
os.makedirs("way/to", exist_ok=True)
os.chdir("way/to/..")
print(os.getcwd())
os.chdir("..")
os.removedirs("way/to")
print(os.getcwd())
for path in ("absent", "", home + "/absent/.."):
    try:
        os.chdir(path)
    except OSError as error:
        print(type(error).__name__, error.filename == path)
