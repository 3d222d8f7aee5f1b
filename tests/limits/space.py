"""Takes the space of a disk as fast as a program can, in one way of several.

The argument names the way. Every way goes on until it is ended, or says what was
refused. `fork` has forty processes do the same at once.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import socket
import struct
import sys
import threading
import time

MIB = 1 << 20
MANY = 40
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
libc.splice.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]
libc.tee.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
libc.vmsplice.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]


def call(function, *arguments):
    answer = function(*arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), function.__name__)
    return answer


def fork(work):
    for number in range(MANY):
        if os.fork() == 0:
            try:
                work(number)
            finally:
                time.sleep(60)
                os._exit(0)
    time.sleep(60)


def new(name):
    return open(name, "w+b", buffering=0)


def new_descriptor(name):
    return os.open(name, os.O_RDWR | os.O_CREAT, 0o600)


def source(size):
    file = new("source")
    file.write(b"x" * size)
    return file


def reserved(mode):
    """Space that is promised, by a mode of fallocate(2)."""
    kept = []
    while True:
        kept.append(new(f"f{len(kept)}"))
        call(libc.fallocate, kept[-1].fileno(), mode, 0, 24 * MIB)


def posix_fallocate():
    kept = []
    while True:
        kept.append(new(f"f{len(kept)}"))
        os.posix_fallocate(kept[-1].fileno(), 0, 24 * MIB)


def written():
    data = b"x" * (24 * MIB)
    fork(lambda number: new(f"f{number}").write(data))


def written_by_vector():
    data = [b"x" * MIB] * 24
    fork(lambda number: os.pwritev(new_descriptor(f"f{number}"), data, 0))


def written_past_the_cache():
    def work(number):
        file = os.open(f"f{number}", os.O_CREAT | os.O_WRONLY | os.O_DIRECT)
        data = mmap.mmap(-1, 4 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for _ in range(6):
            os.write(file, data)

    fork(work)


def touch(mapped, start, end):
    for at in range(start, end, 4096):
        mapped[at] = 1


def mapped():
    """A large file that takes no space, until its pages are written to."""

    def work(number):
        file = new(f"f{number}")
        file.truncate(30 * MIB)
        touch(mmap.mmap(file.fileno(), 30 * MIB), 0, 30 * MIB)

    fork(work)


def mapped_and_grown():
    """The same by mremap(2)."""

    def work(number):
        file = new(f"f{number}")
        file.truncate(MIB)
        pages = mmap.mmap(file.fileno(), MIB)
        for size in range(1, 24):
            pages.resize((size + 1) * MIB)
            touch(pages, size * MIB, (size + 1) * MIB)

    fork(work)


def populated():
    """The same in one call for all pages: MADV_POPULATE_WRITE."""

    def work(number):
        file = new(f"f{number}")
        file.truncate(30 * MIB)
        mmap.mmap(file.fileno(), 30 * MIB).madvise(23)

    fork(work)


def in_sessions():
    """The kernel gives each session its turns at the processor."""
    data = b"x" * (24 * MIB)

    def work(number):
        os.setsid()
        new(f"f{number}").write(data)

    fork(work)


def beside_descriptors():
    """Who looks at all that they have open is kept busy."""
    data = b"x" * (24 * MIB)

    def work(number):
        kept = [os.open("/", os.O_RDONLY) for _ in range(50)]
        new(f"f{number}").write(data)
        time.sleep(60 + len(kept))

    fork(work)


def beside_names():
    """Who lists them is kept busy."""
    for number in range(80):
        os.mkdir(f"d{number}")
        for name in range(100):
            new(f"d{number}/{name}").close()
    written()


def by_threads():
    data = b"x" * (24 * MIB)
    for number in range(MANY):
        threading.Thread(target=lambda number=number: new(f"f{number}").write(data)).start()
    time.sleep(60)


def copied_by_range():
    file = source(24 * MIB)
    for number in range(40):
        os.copy_file_range(file.fileno(), new_descriptor(f"f{number}"), 24 * MIB, 0, 0)


def cloned():
    """FICLONE: files that share their space, and have it each for itself once written to."""
    file = source(24 * MIB)
    for number in range(20):
        other = new(f"f{number}")
        call(libc.ioctl, other.fileno(), 0x40049409, ctypes.c_void_p(file.fileno()))
        for at in range(0, 24 * MIB, 4096):
            os.pwrite(other.fileno(), b"y", at)


def cloned_in_part():
    """FICLONERANGE."""
    file = source(24 * MIB)
    for number in range(20):
        other = new(f"f{number}")
        span = ctypes.create_string_buffer(struct.pack("qQQQ", file.fileno(), 0, 24 * MIB, 0))
        call(libc.ioctl, other.fileno(), 0x4020940D, span)
        for at in range(0, 24 * MIB, 4096):
            os.pwrite(other.fileno(), b"y", at)


def sent():
    source(24 * MIB)
    fork(lambda number: os.sendfile(new_descriptor(f"f{number}"), os.open("source", os.O_RDONLY), 0, 24 * MIB))


def pipe():
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, MIB)
    except OSError:
        # So much is bounded for each user.
        pass
    return reading, writing


def spliced():
    source(24 * MIB)

    def work(number):
        reading, writing = pipe()
        read, write = os.open("source", os.O_RDONLY), new_descriptor(f"f{number}")
        while (moved := call(libc.splice, read, None, writing, None, 60000, 0)) > 0:
            call(libc.splice, reading, None, write, None, moved, 0)

    fork(work)


def teed():
    def work(number):
        (full, fill), (reading, writing) = pipe(), pipe()
        os.write(fill, b"x" * 60000)
        file = new_descriptor(f"f{number}")
        for _ in range(400):
            call(libc.splice, reading, None, file, None, call(libc.tee, full, writing, 60000, 0), 0)

    fork(work)


def pages_spliced():
    """vmsplice(2), of pages of its own."""
    data = ctypes.create_string_buffer(b"x" * 60000)
    vector = ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(data), 60000))
    call(libc.vmsplice, pipe()[1], vector, 1, 0)

    def work(number):
        reading, writing = pipe()
        file = new_descriptor(f"f{number}")
        for _ in range(400):
            call(libc.splice, reading, None, file, None, call(libc.vmsplice, writing, vector, 1, 0), 0)

    fork(work)


def without_a_name():
    data = b"x" * (24 * MIB)

    def work(number):
        file = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(file, data)
        time.sleep(60)

    fork(work)


def removed_but_open():
    data = b"x" * (24 * MIB)

    def work(number):
        file = new(f"f{number}")
        os.unlink(f"f{number}")
        file.write(data)
        time.sleep(60)

    fork(work)


def on_their_way():
    """Files without a name that are held by sockets alone."""
    data = b"x" * (24 * MIB)

    def work(number):
        file = new(f"f{number}")
        os.unlink(f"f{number}")
        file.write(data)
        pair = socket.socketpair()
        socket.send_fds(pair[0], [b"x"], [file.fileno()])
        file.close()
        time.sleep(60)

    fork(work)


def small_files():
    def work(number):
        os.mkdir(f"d{number}")
        for name in range(10**6):
            with open(f"d{number}/{name}", "wb") as file:
                file.write(b"x" * 4096)

    fork(work)


def hard_links():
    """Names of one file, which take the space of the directories that they are in."""

    def work(number):
        os.mkdir(f"d{number}")
        new(f"f{number}").close()
        for name in range(64000):
            os.link(f"f{number}", f"d{number}/{name:0250}")
        time.sleep(60)

    fork(work)


def long_links():
    def work(number):
        os.mkdir(f"d{number}")
        for name in range(10**6):
            os.symlink("x" * 4000, f"d{number}/{name}")

    fork(work)


def attributes():
    def work(number):
        os.mkdir(f"d{number}")
        for name in range(10**6):
            path = f"d{number}/{name}"
            new(path).close()
            os.setxattr(path, "user.a", os.urandom(3900))

    fork(work)


WAYS = {
    "fallocate": lambda: reserved(0),
    "fallocate past the end": lambda: reserved(1),
    "fallocate of zeros": lambda: reserved(16),
    "fallocate of zeros past the end": lambda: reserved(17),
    "posix_fallocate": posix_fallocate,
    "write": written,
    "writev": written_by_vector,
    "O_DIRECT": written_past_the_cache,
    "ftruncate and mmap": mapped,
    "mremap": mapped_and_grown,
    "MADV_POPULATE_WRITE": populated,
    "setsid": in_sessions,
    "many descriptors": beside_descriptors,
    "many names": beside_names,
    "threads": by_threads,
    "copy_file_range": copied_by_range,
    "FICLONE": cloned,
    "FICLONERANGE": cloned_in_part,
    "sendfile": sent,
    "splice": spliced,
    "tee": teed,
    "vmsplice": pages_spliced,
    "O_TMPFILE": without_a_name,
    "unlink": removed_but_open,
    "SCM_RIGHTS": on_their_way,
    "small files": small_files,
    "hard links": hard_links,
    "long links": long_links,
    "attributes": attributes,
}

if len(sys.argv) > 1:
    try:
        WAYS[sys.argv[1]]()
        print("done", flush=True)
    except OSError as error:
        print("refused", errno.errorcode[error.errno], flush=True)
