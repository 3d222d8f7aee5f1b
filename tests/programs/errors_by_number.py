# The number of an error decides which class it gets.
# stdout:
# |1 EPERM PermissionError(1, 'Operation not permitted') [Errno 1] Operation not permitted: 'a.txt'
# |2 ENOENT FileNotFoundError(2, 'No such file or directory') [Errno 2] No such file or directory: 'a.txt'
# |3 ESRCH ProcessLookupError(3, 'No such process') [Errno 3] No such process: 'a.txt'
# |4 EINTR InterruptedError(4, 'Interrupted system call') [Errno 4] Interrupted system call: 'a.txt'
# |10 ECHILD ChildProcessError(10, 'No child processes') [Errno 10] No child processes: 'a.txt'
# |11 EAGAIN BlockingIOError(11, 'Resource temporarily unavailable') [Errno 11] Resource temporarily unavailable: 'a.txt'
# |13 EACCES PermissionError(13, 'Permission denied') [Errno 13] Permission denied: 'a.txt'
# |17 EEXIST FileExistsError(17, 'File exists') [Errno 17] File exists: 'a.txt'
# |20 ENOTDIR NotADirectoryError(20, 'Not a directory') [Errno 20] Not a directory: 'a.txt'
# |21 EISDIR IsADirectoryError(21, 'Is a directory') [Errno 21] Is a directory: 'a.txt'
# |32 EPIPE BrokenPipeError(32, 'Broken pipe') [Errno 32] Broken pipe: 'a.txt'
# |103 ECONNABORTED ConnectionAbortedError(103, 'Software caused connection abort') [Errno 103] Software caused connection abort: 'a.txt'
# |104 ECONNRESET ConnectionResetError(104, 'Connection reset by peer') [Errno 104] Connection reset by peer: 'a.txt'
# |108 ESHUTDOWN BrokenPipeError(108, 'Cannot send after transport endpoint shutdown') [Errno 108] Cannot send after transport endpoint shutdown: 'a.txt'
# |110 ETIMEDOUT TimeoutError(110, 'Connection timed out') [Errno 110] Connection timed out: 'a.txt'
# |111 ECONNREFUSED ConnectionRefusedError(111, 'Connection refused') [Errno 111] Connection refused: 'a.txt'
# |114 EALREADY BlockingIOError(114, 'Operation already in progress') [Errno 114] Operation already in progress: 'a.txt'
# |115 EINPROGRESS BlockingIOError(115, 'Operation now in progress') [Errno 115] Operation now in progress: 'a.txt'
# |FileNotFoundError(2, 'x') OSError('x') FileNotFoundError(2, 'x')
# |[Errno 44] forty-four [Errno 2] x: 'from' -> 'to'
# |True True
# |Own(2, 'x') [Errno 2] x: 'f' 2
# |OSError [Errno 39] Directory not empty: 'd' 39 Directory not empty d
import errno
import os

for number in range(-1, 135):
    error = OSError(number, os.strerror(number), "a.txt")
    if type(error) is not OSError:
        print(number, errno.errorcode[number], repr(error), error)

print(repr(OSError(2, "x")), repr(OSError("x")), repr(OSError(2, "x", "f", None, "g")))
print(OSError(44, "forty-four"), OSError(2, "x", "from", None, "to"))
print(isinstance(OSError(errno.ENOENT, "x"), FileNotFoundError), type(OSError(13, "x")) is PermissionError)


class Own(OSError):
    pass


print(repr(Own(2, "x")), Own(2, "x", "f"), Own(2, "x").errno)
try:
    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), "d")
except OSError as error:
    print(type(error).__name__, error, error.errno, error.strerror, error.filename)
