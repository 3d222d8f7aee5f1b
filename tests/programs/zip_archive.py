# Packs files into a zip, lists them and reads one back.
# stdout:
# |None [('data/a.txt', 600), ('data/b.bin', 256)]
# |True 255
# wrote: bundle.zip data/a.txt data/b.bin
import zipfile
from pathlib import Path

Path("data").mkdir()
Path("data/a.txt").write_text("hello " * 100)
Path("data/b.bin").write_bytes(bytes(range(256)))
with zipfile.ZipFile("bundle.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
    for path in sorted(Path("data").iterdir()):
        bundle.write(path)
with zipfile.ZipFile("bundle.zip") as bundle:
    print(bundle.testzip(), [(entry.filename, entry.file_size) for entry in bundle.infolist()])
    print(bundle.getinfo("data/a.txt").compress_size < 100, bundle.read("data/b.bin")[-1])
