# Handles large and odd files: streaming, seeking, encodings, tail, external sort, in-place edits.
# stdout:
# |True 20000
# |7 runs
# |True 33784 999990924
# |True True
# |True True
# |40 38 b'\x00\x00middle\x00\x00' 100
# |50 b'middle' 2 60 60
# |utf-8       39 6e 61 c3 af 76 65 True
# |utf-8-sig   42 ef bb bf 6e 61 c3 True
# |utf-16      56 ff fe 6e 00 61 00 True
# |utf-32-le  104 6e 00 00 00 61 00 True
# |cp1252    character maps to <undefined> at 22: '☃' b'na\xefve caf\xe9 \x96'
# |latin-1   ordinal not in range(256) at 11: '–' b'na\xefve caf\xe9 ?'
# |ascii     ordinal not in range(128) at 2: 'ï' b'na?ve caf? ?'
# |shift_jis illegal multibyte sequence at 2: 'ï' b'na?ve caf? ?'
# |koi8-r    character maps to <undefined> at 2: 'ï' b'na?ve caf? ?'
# |'\ufeffid,name\n' 'id,name\n' 'id,name\r\n'
# |strict 'utf-8' codec can't decode byte 0xe9 in position 3: invalid continuation byte
# |replace 'caf\ufffd\n\ufffd\n'
# |ignore 'caf\n\n'
# |backslashreplace 'caf\\xe9\n\\xff\n'
# |surrogateescape 'caf\udce9\n\udcff\n'
# |['one\n', 'two\n', 'three\n', 'four'] ['one\r\n', 'two\r', 'three\n', 'four'] ['one\r\n', 'two\rthree\nfour'] ['a', 'b', 'c', 'd']
# |['', 'é', '', '', '☃'] Uryyb iso8859-1
# |['1:# one.txt', '2:keep', '4:last', ''] True
# |(4, 'two.txt', '1:# two.txt')
# |b'x\x00\r\x00\n\x00y\x00' b'ab'
# |first
# | True a+ utf-8 False
# |ValueError I/O operation on closed file.
# |FileExistsError File exists
# |ValueError must have exactly one of create/read/write/append mode
# |UnsupportedOperation not writable
# |ValueError binary mode doesn't take an encoding argument
# |TypeError a bytes-like object is required, not 'str'
# |{'latin.txt': 7, 'mixed.txt': 19, 'numbers.txt': 197810, 'one.txt': 26, 'sorted.txt': 197810, 'two.txt': 26}
# wrote: append.log bom.csv latin.txt mixed.txt one.txt one.txt.bak records.bin two.txt two.txt.bak
import codecs
import fileinput
import heapq
import io
import linecache
import os
import random
import tempfile
from collections import deque
from contextlib import ExitStack
from pathlib import Path

random.seed(3)
big = Path("numbers.txt")
with big.open("w") as file:
    for _ in range(20_000):
        file.write(f"{random.randrange(10**9)}\n")
print(big.stat().st_size > 150_000, sum(1 for _ in big.open()))


def external_sort(source, target, chunk=3000):
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        runs = []
        with open(source) as file:
            while lines := [int(line) for _, line in zip(range(chunk), file)]:
                run = Path(folder, f"run{len(runs)}")
                run.write_text("".join(f"{n}\n" for n in sorted(lines)))
                runs.append(stack.enter_context(run.open()))
        with open(target, "w") as out:
            out.writelines(f"{n}\n" for n in heapq.merge(*(map(int, run) for run in runs)))
        return len(runs)


print(external_sort(big, "sorted.txt"), "runs")
ordered = [int(line) for line in open("sorted.txt")]
print(ordered == sorted(ordered), ordered[0], ordered[-1])


def tail(path, count, block=512):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        at, data = file.tell(), b""
        while at and data.count(b"\n") <= count:
            step = min(block, at)
            at -= step
            file.seek(at)
            data = file.read(step) + data
        return data.decode().splitlines()[-count:]


print(tail("sorted.txt", 3) == [str(n) for n in ordered[-3:]], list(deque(open("sorted.txt"), maxlen=1))[0].strip() == str(ordered[-1]))
with open("sorted.txt") as file:
    file.readline()
    place = file.tell()
    second = file.readline()
    file.seek(place)
    print(file.readline() == second, linecache.getline("sorted.txt", 2) == second)
with open("records.bin", "w+b") as file:
    file.truncate(100)
    file.seek(40)
    file.write(b"middle")
    file.seek(-6, 1)
    print(file.tell(), file.seek(38), file.read(10), file.seek(0, 2))
with open("records.bin", "r+b", buffering=0) as file:
    print(file.readinto(view := bytearray(50)), bytes(view[40:46]), file.write(b"xy"), file.truncate(60), os.fstat(file.fileno()).st_size)

text = "naïve café – “quotes” ☃ 😀\n"
for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32-le", "cp1252", "latin-1", "ascii", "shift_jis", "koi8-r"):
    try:
        data = text.encode(encoding)
        print(f"{encoding:<10}{len(data):>4} {data[:6].hex(' ')} {data.decode(encoding) == text}")
    except UnicodeEncodeError as error:
        print(f"{encoding:<10}{error.reason} at {error.start}: {text[error.start]!r} {text.encode(encoding, 'replace')[:12]}")
Path("bom.csv").write_bytes(codecs.BOM_UTF8 + b"id,name\r\n1,x\r\n")
print(repr(open("bom.csv", encoding="utf-8").readline()), repr(open("bom.csv", encoding="utf-8-sig").readline()), repr(open("bom.csv", newline="", encoding="utf-8-sig").readline()))
Path("latin.txt").write_bytes(b"caf\xe9\n\xff\n")
for errors in ("strict", "replace", "ignore", "backslashreplace", "surrogateescape"):
    try:
        print(errors, ascii(open("latin.txt", encoding="utf-8", errors=errors).read()))
    except UnicodeDecodeError as error:
        print(errors, error)
Path("mixed.txt").write_bytes(b"one\r\ntwo\rthree\nfour")
print(open("mixed.txt").readlines(), open("mixed.txt", newline="").readlines(), open("mixed.txt", newline="\r\n").readlines(), "a\x0bb\x1cc\u2028d".splitlines())
decoder = codecs.getincrementaldecoder("utf-8")()
print([decoder.decode(bytes([b])) for b in "é☃".encode()], codecs.encode("Hello", "rot13"), codecs.lookup("latin1").name)
for name in ("one.txt", "two.txt"):
    Path(name).write_text(f"# {name}\nkeep\ndrop me\nlast\n")
with fileinput.input(["one.txt", "two.txt"], inplace=True, backup=".bak") as lines:
    for line in lines:
        if "drop" not in line:
            print(f"{lines.filelineno()}:{line}", end="")
print(Path("one.txt").read_text().split("\n"), Path("two.txt.bak").exists())
with fileinput.input(["one.txt", "two.txt"]) as lines:
    print([(lines.lineno(), lines.filename(), line.strip()) for line in lines][3])
buffer = io.BytesIO()
wrapper = io.TextIOWrapper(buffer, encoding="utf-16-le", newline="\r\n", write_through=True)
print("x\ny", file=wrapper, end="")
print(buffer.getvalue(), io.BufferedReader(io.BytesIO(b"abcdef")).peek(2)[:2])
a = open("append.log", "a+")
a.write("first\n")
a.seek(0)
print(a.read(), a.writable(), a.mode, a.encoding, a.closed)
a.close()
for attempt in (lambda: a.read(), lambda: open("append.log", "x"), lambda: open("append.log", "rw"), lambda: open("append.log").write("x"), lambda: open("append.log", "rb", encoding="utf-8"), lambda: open("append.log", "wb").write("text")):
    try:
        attempt()
    except (ValueError, OSError, TypeError) as error:
        print(type(error).__name__, error if not isinstance(error, FileExistsError) else error.strerror)
sizes = {p.name: p.stat().st_size for p in sorted(Path().glob("*.txt"))}
print(sizes)
for path in ("numbers.txt", "sorted.txt"):
    os.unlink(path)
