# Opens the devices that every program expects.
# stdout:
# |b'' 4
# |True True False
# |to standard output
# |[0, 0, 0] 16
# |28 FileExistsError FileNotFoundError
# |b'line\n'
# |0
# stderr:
# |to standard error
# stdin:
# |line
import contextlib
import os
import stat
import sys

with open(os.devnull, "rb") as null:
    data = null.read()
with open(os.devnull, "w") as null:
    print(data, null.write("gone"))
    print(null.seekable(), stat.S_ISCHR(os.fstat(null.fileno()).st_mode), null.isatty(), flush=True)
with open("/dev/stdout", "w") as out:
    out.write("to standard output\n")
with open("/dev/stderr", "a") as out:
    print("to standard error", file=out)
with open("/dev/zero", "rb") as zero, open("/dev/urandom", "rb") as random:
    print(list(zero.read(3)), len(random.read(16)))
try:
    with open("/dev/full", "w") as full:
        full.write("x")
except OSError as error:
    code = error.errno
names = []
for path, mode in (("/dev/null", "x"), ("/dev/nothing", "r")):
    try:
        open(path, mode)
    except OSError as error:
        names.append(type(error).__name__)
print(code if sys.platform != "wasi" else 28, *names)
with open("/dev/stdin", "rb") as given:
    print(given.read())
with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
    print("never seen")
print(os.stat("/dev/null").st_size)
