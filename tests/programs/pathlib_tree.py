# Walks, moves and deletes files with pathlib and shutil.
# stdout:
# |['site/b', 'site/b/deep.txt', 'site/top.md']
# |[('copy', ['b'], ['top.md']), ('copy/b', [], ['deep.txt'])]
# |['.tar', '.gz'] True False
# |6 True
# wrote: copy/b/deep.txt copy/top.md site/b/deep.txt site/top.md
import os
import shutil
from pathlib import Path

root = Path("site")
(root / "b").mkdir(parents=True)
(root / "b" / "deep.txt").write_text("deep")
(root / "top.md").write_text("# top\n")
print(sorted(path.as_posix() for path in root.rglob("*")))
shutil.copytree(root, "copy")
(root / "b" / "deep.txt").rename(root / "moved.txt").unlink()
shutil.copy("copy/b/deep.txt", root / "b")
print([(where, sorted(folders), sorted(files)) for where, folders, files in os.walk("copy")])
shutil.rmtree("copy/b")
shutil.copytree("site/b", "copy/b")
print(Path("a/b/../c.tar.gz").suffixes, Path("site").exists(), Path("nope").exists())
print(Path("site/top.md").stat().st_size, Path("copy").is_dir())
