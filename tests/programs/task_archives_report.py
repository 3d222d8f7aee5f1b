# Packs a project into zip and tar archives and reports on what is in them, modes included.
# stdout:
# |-rwxr-xr-x drwxr-xr-x 0o644
# |True False True
# |b'made for the report' ['project/README.md', 'project/run.sh', 'project/src/', 'project/src/data/', 'project/src/data/values.csv', 'project/src/main.py']
# |-rw-r--r--    400     17 project/README.md cd0497f6
# |-rwxr-xr-x     19     21 project/run.sh b2e6a2bc
# |drwxr-xr-x      0      0 project/src/ dir
# |drwxr-xr-x      0      0 project/src/data/ dir
# |-rw-r--r--   4000     32 project/src/data/values.csv 55a9fe40
# |-rw-r--r--     12     14 project/src/main.py f89ea6af
# |?rwxr-xr-x 0 project True 
# |?rw-r--r-- 400 project/README.md False True
# |?rwxr-xr-x 19 project/run.sh False True
# |?rwxr-xr-x 0 project/src True 
# |?rwxr-xr-x 0 project/src/data True 
# |?rw-r--r-- 12 project/src/main.py False True
# |?rw-r--r-- 5 note.txt False True
# |['out/note.txt', 'out/project', 'out/project/README.md', 'out/project/run.sh', 'out/project/src', 'out/project/src/data', 'out/project/src/main.py'] 0o100755
# |backup.zip print('hi')
# |
# |True a4e0317eafab5cf1
# |[('x/../y.txt', '?rw-------'), ('folder/', 'drwxrwxrwx')]
# |File is not a zip file
# |41 b'abcabc' 1f8b0800 bztar
# wrote: backup.zip out/note.txt out/project/README.md out/project/run.sh out/project/src/main.py project/README.md project/run.sh project/src/data/values.csv project/src/main.py project.tar.gz project.zip restored/src/data/values.csv restored/src/main.py
import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

root = Path("project")
FILES = {"README.md": "# Project\n" * 40, "src/main.py": "print('hi')\n", "src/data/values.csv": "a,b\n1,2\n" * 500, "run.sh": "#!/bin/sh\necho run\n"}
for name, text in FILES.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chmod(path, 0o644)
    os.utime(path, (1_772_352_000, 1_772_352_000))
os.chmod(root / "run.sh", 0o755)
for folder in (root, root / "src", root / "src/data"):
    os.chmod(folder, 0o755)
print(stat.filemode((root / "run.sh").stat().st_mode), stat.filemode(root.stat().st_mode), oct((root / "README.md").stat().st_mode & 0o777))
print(os.access(root / "run.sh", os.X_OK), os.access(root / "README.md", os.X_OK), os.access(root / "README.md", os.W_OK))

with zipfile.ZipFile("project.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for path in sorted(root.rglob("*")):
        archive.write(path, path.relative_to(root.parent))
    archive.comment = b"made for the report"
with zipfile.ZipFile("project.zip") as archive:
    print(archive.comment, archive.namelist())
    for info in archive.infolist():
        mode = stat.filemode(info.external_attr >> 16)
        print(f"{mode} {info.file_size:>6} {info.compress_size:>6} {info.filename} {'dir' if info.is_dir() else f'{info.CRC:08x}'}")

with tarfile.open("project.tar.gz", "w:gz") as archive:
    archive.add(root, filter=lambda m: None if m.name.endswith(".csv") else m)
    note = tarfile.TarInfo("note.txt")
    note.size = 5
    note.mtime = 1_772_352_000
    archive.addfile(note, io.BytesIO(b"hello"))
with tarfile.open("project.tar.gz") as archive:
    for member in archive.getmembers():
        print(stat.filemode(member.mode), member.size, member.name, member.isdir(), member.mtime == 1_772_352_000 if member.isfile() else "")
    archive.extractall("out", filter="data")
print(sorted(str(p) for p in Path("out").rglob("*")), oct(os.stat("out/project/run.sh").st_mode))

name = shutil.make_archive("backup", "zip", root_dir="project", base_dir="src")
print(os.path.basename(name), zipfile.Path("backup.zip", "src/main.py").read_text())
shutil.unpack_archive("backup.zip", "restored")
digest = lambda path: hashlib.file_digest(open(path, "rb"), "sha256").hexdigest()[:16]
print(digest("restored/src/data/values.csv") == digest("project/src/data/values.csv"), digest("project/run.sh"))
with zipfile.ZipFile(io.BytesIO(), "w") as archive:
    archive.writestr("x/../y.txt", "data")
    archive.mkdir("folder")
    print([(i.filename, stat.filemode(i.external_attr >> 16)) for i in archive.infolist()])
try:
    zipfile.ZipFile(io.BytesIO(b"not a zip"))
except zipfile.BadZipFile as error:
    print(error)
data = gzip.compress(b"abc" * 1000, mtime=0)
print(len(data), gzip.decompress(data)[:6], data[:4].hex(), shutil.get_archive_formats()[0][0])
