# Errors of files have the numbers and the texts of Linux.
# stdout:
# |open: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing.csv'
# |open in a missing folder: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'nowhere/a.txt'
# |create: EEXIST FileExistsError(17, 'File exists') [Errno 17] File exists: 'note.txt'
# |mkdir: EEXIST FileExistsError(17, 'File exists') [Errno 17] File exists: 'full'
# |open a folder: EISDIR IsADirectoryError(21, 'Is a directory') [Errno 21] Is a directory: 'full'
# |write a folder: EISDIR IsADirectoryError(21, 'Is a directory') [Errno 21] Is a directory: 'full'
# |below a file: ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'note.txt/below'
# |list a file: ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'note.txt'
# |scan a file: ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'note.txt'
# |rmdir: ENOTEMPTY OSError(39, 'Directory not empty') [Errno 39] Directory not empty: 'full'
# |rmdir a file: ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'note.txt'
# |stat: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing'
# |remove: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing'
# |rename: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing' -> 'other'
# |rename onto a full folder: ENOTEMPTY OSError(39, 'Directory not empty') [Errno 39] Directory not empty: 'full/inner' -> 'full'
# |rename a file onto a folder: EISDIR IsADirectoryError(21, 'Is a directory') [Errno 21] Is a directory: 'note.txt' -> 'full'
# |rename a folder onto a file: ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'full' -> 'note.txt'
# |readlink: EINVAL OSError(22, 'Invalid argument') [Errno 22] Invalid argument: 'note.txt'
# |chdir: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing'
# |rmtree: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing'
# |copy: ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'missing'
# |touch: EEXIST FileExistsError(17, 'File exists') [Errno 17] File exists: 'note.txt'
# |name: ENAMETOOLONG OSError(36, 'File name too long') [Errno 36] File name too long: 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'
# |bad descriptor: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |close: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |fstat: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |fsync: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |fdopen: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |write: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |seek a stream: ESPIPE OSError(29, 'Illegal seek') [Errno 29] Illegal seek
# |write to a reader: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |seek before the start: EINVAL OSError(22, 'Invalid argument') [Errno 22] Invalid argument
# |advice: EINVAL OSError(22, 'Invalid argument') [Errno 22] Invalid argument
# |advice about nothing: EBADF OSError(9, 'Bad file descriptor') [Errno 9] Bad file descriptor
# |negative seek: EINVAL OSError(22, 'Invalid argument') [Errno 22] Invalid argument
# |truncate a reader: EINVAL OSError(22, 'Invalid argument') [Errno 22] Invalid argument
# |True True True
import errno
import io
import os
import pathlib
import shutil


def shown(what, call):
    try:
        value = call()
    except OSError as error:
        name = errno.errorcode[error.errno]
        print(f"{what}: {name} {error!r} {error}")
        assert os.strerror(error.errno) == error.strerror, error
    else:
        print(f"{what}: no error, {value!r}")


os.makedirs("full/inner")
pathlib.Path("note.txt").write_text("hello")

shown("open", lambda: open("missing.csv"))
shown("open in a missing folder", lambda: open("nowhere/a.txt", "w"))
shown("create", lambda: open("note.txt", "x"))
shown("mkdir", lambda: os.mkdir("full"))
shown("open a folder", lambda: open("full"))
shown("write a folder", lambda: open("full", "w"))
shown("below a file", lambda: open("note.txt/below"))
shown("list a file", lambda: os.listdir("note.txt"))
shown("scan a file", lambda: list(os.scandir("note.txt")))
shown("rmdir", lambda: os.rmdir("full"))
shown("rmdir a file", lambda: os.rmdir("note.txt"))
shown("stat", lambda: os.stat("missing"))
shown("remove", lambda: pathlib.Path("missing").unlink())
shown("rename", lambda: os.rename("missing", "other"))
shown("rename onto a full folder", lambda: os.rename("full/inner", "full"))
shown("rename a file onto a folder", lambda: os.rename("note.txt", "full"))
shown("rename a folder onto a file", lambda: os.rename("full", "note.txt"))
shown("readlink", lambda: os.readlink("note.txt"))
shown("chdir", lambda: os.chdir("missing"))
shown("rmtree", lambda: shutil.rmtree("missing"))
shown("copy", lambda: shutil.copy("missing", "copy"))
shown("touch", lambda: pathlib.Path("note.txt").touch(exist_ok=False))
shown("name", lambda: open("n" * 300))
shown("bad descriptor", lambda: os.read(99, 1))
shown("close", lambda: os.close(99))
shown("fstat", lambda: os.fstat(99))
shown("fsync", lambda: os.fsync(99))
shown("fdopen", lambda: os.fdopen(99))
shown("write", lambda: os.write(99, b"x"))
shown("seek a stream", lambda: os.lseek(0, 0, os.SEEK_SET))

with open("note.txt") as reading:
    shown("write to a reader", lambda: os.write(reading.fileno(), b"x"))
    shown("seek before the start", lambda: os.lseek(reading.fileno(), -1, os.SEEK_SET))
    shown("advice", lambda: os.posix_fadvise(reading.fileno(), 0, 0, 99))
    shown("advice about nothing", lambda: os.posix_fadvise(99, 0, 0, os.POSIX_FADV_NORMAL))
with io.FileIO("note.txt") as raw:
    shown("negative seek", lambda: raw.seek(-5))
    shown("truncate a reader", lambda: os.ftruncate(raw.fileno(), 1))

print(errno.ENOENT == 2, errno.EEXIST == 17, errno.EACCES == 13)

os.remove("note.txt")
os.removedirs("full/inner")
