# An empty path names nothing, and what is not there cannot be changed.
# stdout:
# |exists          (False, False, False, False)
# |access          False
# |listdir         FileNotFoundError
# |scandir         FileNotFoundError
# |walk            []
# |glob            []
# |stat            FileNotFoundError
# |lstat           FileNotFoundError
# |size            FileNotFoundError
# |chdir           FileNotFoundError
# |mkdir           FileNotFoundError
# |makedirs        FileNotFoundError
# |open            FileNotFoundError
# |open to write   FileNotFoundError
# |copy            FileNotFoundError
# |copytree        FileNotFoundError
# |rename          FileNotFoundError
# |replace         FileNotFoundError
# |move            FileNotFoundError
# |utime           FileNotFoundError
# |chmod           FileNotFoundError
# |remove          FileNotFoundError
# |rmdir           FileNotFoundError
# |rmtree          FileNotFoundError
# |chmod gone      FileNotFoundError
# |Path.chmod gone FileNotFoundError
# |utime gone      FileNotFoundError
# |truncate gone   FileNotFoundError
# |Path of nothing ('.', True)
# |slash renamed   None
# |slash moved     keep/moved
# |['keep', 'keep/file.txt', 'keep/moved'] precious
# wrote: keep/file.txt
import glob
import os
import pathlib
import shutil
import stat

os.makedirs("keep/deep")
with open("keep/file.txt", "w") as file:
    file.write("precious")


def attempt(name, action):
    try:
        print(f"{name:<16}{action()}")
    except OSError as error:
        print(f"{name:<16}{type(error).__name__}")


attempt("exists", lambda: (os.path.exists(""), os.path.isdir(""), os.path.isfile(""), os.path.lexists("")))
attempt("access", lambda: os.access("", os.F_OK))
attempt("listdir", lambda: os.listdir(""))
attempt("scandir", lambda: list(os.scandir("")))
attempt("walk", lambda: list(os.walk("")))
attempt("glob", lambda: glob.glob(""))
attempt("stat", lambda: stat.S_ISDIR(os.stat("").st_mode))
attempt("lstat", lambda: stat.S_ISDIR(os.lstat("").st_mode))
attempt("size", lambda: os.path.getsize(""))
attempt("chdir", lambda: os.chdir(""))
attempt("mkdir", lambda: os.mkdir(""))
attempt("makedirs", lambda: os.makedirs(os.path.dirname("file.txt"), exist_ok=True))
attempt("open", lambda: open(""))
attempt("open to write", lambda: open("", "w"))
attempt("copy", lambda: shutil.copy("keep/file.txt", ""))
attempt("copytree", lambda: shutil.copytree("keep", ""))
attempt("rename", lambda: os.rename("keep", ""))
attempt("replace", lambda: os.replace("", "other"))
attempt("move", lambda: shutil.move("keep", ""))
attempt("utime", lambda: os.utime(""))
attempt("chmod", lambda: os.chmod("", 0o700))
attempt("remove", lambda: os.remove(""))
attempt("rmdir", lambda: os.rmdir(""))
attempt("rmtree", lambda: shutil.rmtree(""))
attempt("chmod gone", lambda: os.chmod("gone", 0o600))
attempt("Path.chmod gone", lambda: pathlib.Path("gone").chmod(0o600))
attempt("utime gone", lambda: os.utime("gone"))
attempt("truncate gone", lambda: os.truncate("gone", 0))
attempt("Path of nothing", lambda: (str(pathlib.Path("")), pathlib.Path("").exists()))
attempt("slash renamed", lambda: os.rename("keep/deep/", "keep/renamed"))
attempt("slash moved", lambda: shutil.move("keep/renamed/", "keep/moved"))
print(sorted(str(path) for path in pathlib.Path().rglob("*")), open("keep/file.txt").read())
