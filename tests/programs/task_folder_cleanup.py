# Sorts a messy download folder by kind and month, renames duplicates, and reports sizes.
# stdout:
# |.hidden              -> other/2026-03/.hidden
# |Photo 1.JPG          -> images/2026-01/photo_1.jpg
# |archive.tar.gz       -> other/2026-02/archive.tar.gz
# |data.csv             -> data/2026-02/data.csv
# |naïve ü.txt          -> documents/2026-02/naïve_ü.txt
# |notes                -> other/2026-03/notes
# |old/deeper/x.json    -> data/2026-01/x.json
# |old/report.pdf       -> documents/2025-12/report.pdf
# |photo 1.jpg          -> images/2026-01/photo_1 (2).jpg
# |report.pdf           -> documents/2026-02/report.pdf
# |False
# |  22,453 .
# |     302 data
# |       2 data/2026-01
# |     300 data/2026-02
# |   9,064 documents
# |   4,000 documents/2025-12
# |   5,064 documents/2026-02
# |   3,072 images
# |   3,072 images/2026-01
# |  10,015 other
# |  10,000 other/2026-02
# |      15 other/2026-03
# |sorted/
# |  data/
# |    2026-01/ x.json
# |    2026-02/ data.csv
# |  documents/
# |    2025-12/ report.pdf
# |    2026-02/ naïve_ü.txt report.pdf
# |  images/
# |    2026-01/ photo_1 (2).jpg photo_1.jpg
# |  other/
# |    2026-02/ archive.tar.gz
# |    2026-03/ .hidden notes
# |['sorted/documents/2025-12/report.pdf', 'sorted/documents/2026-02/report.pdf'] [] ['sorted/images/2026-01/photo_1 (2).jpg']
# |['a.py'] ['photo_1 (2).jpg', 'photo_1.jpg']
# |['2025-12', '2026-02', '2026-02/naïve_ü.txt', 'data.csv'] 1770681600
# |['b', 'data.csv'] False
# |OSError Directory not empty copy
# |FileExistsError File exists copy
# |IsADirectoryError Is a directory copy
# |NotADirectoryError Not a directory moved/data.csv
# |FileNotFoundError No such file or directory gone
# |OSError File name too long long name
# |[('b', (True, False, False)), ('data.csv', (False, True, False))] /a/b ../../b a/c ('x.tar', '.gz')
# |('/', 'a', '..', 'b') C: ['.tar', '.gz'] True True
# wrote: ["moved/data.csv","sorted/data/2026-01/x.json","sorted/data/2026-02/data.csv","sorted/documents/2025-12/report.pdf","sorted/documents/2026-02/naïve_ü.txt","sorted/documents/2026-02/report.pdf","sorted/images/2026-01/photo_1 (2).jpg","sorted/images/2026-01/photo_1.jpg","sorted/other/2026-02/archive.tar.gz","sorted/other/2026-03/.hidden","sorted/other/2026-03/notes"]
import fnmatch
import glob
import os
import shutil
import time
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath

KINDS = {"images": {".png", ".jpg", ".jpeg"}, "documents": {".pdf", ".txt", ".md"}, "data": {".csv", ".json"}}
source = Path("downloads")
FILES = [
    ("Photo 1.JPG", 2048, "2026-01-15"), ("photo 1.jpg", 1024, "2026-01-20"), ("report.pdf", 5000, "2026-02-01"),
    ("old/report.pdf", 4000, "2025-12-31"), ("data.csv", 300, "2026-02-10"), ("archive.tar.gz", 10_000, "2026-02-11"),
    ("notes", 10, "2026-03-01"), (".hidden", 5, "2026-03-01"), ("naïve ü.txt", 64, "2026-02-28"), ("old/deeper/x.json", 2, "2026-01-01"),
]
for name, size, day in FILES:
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    stamp = datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp()
    os.utime(path, (stamp, stamp))


def kind_of(path):
    return next((kind for kind, suffixes in KINDS.items() if path.suffix.lower() in suffixes), "other")


def free_name(path):
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem} ({number})")
    return candidate


moves = []
for path in sorted(p for p in source.rglob("*") if p.is_file()):
    month = time.strftime("%Y-%m", time.gmtime(path.stat().st_mtime))
    target = free_name(Path("sorted") / kind_of(path) / month / path.name.lower().replace(" ", "_"))
    target.parent.mkdir(parents=True, exist_ok=True)
    moves.append((path.relative_to(source).as_posix(), shutil.move(path, target).relative_to("sorted").as_posix()))
for before, after in moves:
    print(f"{before:<20} -> {after}")
for folder, folders, files in os.walk(source, topdown=False):
    if not os.listdir(folder):
        os.rmdir(folder)
print(source.exists())

sizes = defaultdict(int)
for path in Path("sorted").rglob("*"):
    if path.is_file():
        for parent in path.relative_to("sorted").parents:
            sizes[str(parent)] += path.stat().st_size
for name in sorted(sizes):
    print(f"{sizes[name]:>8,} {name}")
for folder, folders, files in os.walk("sorted"):
    folders.sort()
    depth = folder.count("/")
    print("  " * depth + os.path.basename(folder) + "/", *sorted(files))
print(sorted(glob.glob("sorted/**/*.pdf", recursive=True)), sorted(glob.glob("[!s]*")), glob.glob("sorted/*/2026-0[12]/*(2)*"))
print(fnmatch.filter(["a.py", "b.PY", "c.txt"], "*.py"), sorted(p.name for p in Path("sorted").glob("*/*/*.??g")))

shutil.copytree("sorted/documents", "copy", ignore=shutil.ignore_patterns("*.pdf"))
shutil.copy2("sorted/data/2026-02/data.csv", "copy")
print(sorted(p.relative_to("copy").as_posix() for p in Path("copy").rglob("*")), int(os.stat("copy/data.csv").st_mtime))
os.makedirs("a/b")
os.replace("copy/data.csv", "a/data.csv")
shutil.move("a/", "moved/")
print(sorted(os.listdir("moved")), os.path.exists("a"))
for attempt in (lambda: Path("copy").rmdir(), lambda: os.mkdir("copy"), lambda: open("copy"), lambda: os.listdir("moved/data.csv"), lambda: os.remove("gone"), lambda: Path("copy").joinpath("x" * 300).touch()):
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__, error.strerror, error.filename if len(str(error.filename)) < 50 else "long name")
shutil.rmtree("copy")
shutil.rmtree("nothing", ignore_errors=True)
entries = {entry.name: (entry.is_dir(), entry.is_file(), entry.is_symlink()) for entry in os.scandir("moved")}
print(sorted(entries.items()), os.path.commonpath(["/a/b/c", "/a/b/d"]), os.path.relpath("/a/b", "/a/c/d"), os.path.normpath("a//b/../c/."), os.path.splitext("x.tar.gz"))
print(PurePosixPath("/a/../b").parts, PureWindowsPath(r"C:\Users\ann\x.txt").drive, PurePosixPath("a/b.tar.gz").suffixes, Path("~/x").expanduser() != Path("~/x"), Path("b/c").is_relative_to("b"))
