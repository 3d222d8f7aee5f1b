# Writes files whose names are not ASCII, and lists them.
# stdout:
# |['données', '数据.csv']
# |chaud
# wrote: données/été.txt 数据.csv
import os
from pathlib import Path

Path("données").mkdir()
Path("données/été.txt").write_text("chaud", encoding="utf-8")
Path("数据.csv").write_text("a\n")
print([name for name in sorted(os.listdir()) if name != "main.py"])
print(Path("données/été.txt").read_text("utf-8"))
