# Numbers that no system knows are refused with an error, and the program goes on.
# stdout:
# |whence              OSError
# |whence of a file    OSError
# |before the start    OSError
# |advice              OSError
# |clock               OSError
# |descriptor          OSError
# |negative descriptor OSError
# |length              OSError
# |offset              OSError
# |100 99 b'c'
# wrote: data.bin
import os
import time

with open("data.bin", "wb") as file:
    file.write(bytes(range(100)))
fd = os.open("data.bin", os.O_RDWR)
raw = open("data.bin", "r+b", buffering=0)
for name, action in {
    "whence": lambda: os.lseek(fd, 0, 99),
    "whence of a file": lambda: raw.seek(0, 7),
    "before the start": lambda: os.lseek(fd, -1, os.SEEK_SET),
    "advice": lambda: os.posix_fadvise(fd, 0, 0, 77),
    "clock": lambda: time.clock_gettime(1_000_003),
    "descriptor": lambda: os.read(12345, 1),
    "negative descriptor": lambda: os.fstat(-1),
    "length": lambda: os.ftruncate(fd, -1),
    "offset": lambda: os.pread(fd, 1, -1),
}.items():
    try:
        print(f"{name:<20}{action()}")
    except (OSError, ValueError) as error:
        print(f"{name:<20}{type(error).__name__}")
print(os.lseek(fd, 0, os.SEEK_END), raw.seek(-1, 2), raw.read())
