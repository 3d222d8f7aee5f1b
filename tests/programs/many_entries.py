# Lists a folder of thousands of files as often as it likes.
# stdout:
# |8000 8000 8000 8000 8000
# |True
# |0
import os
import shutil
import time
from pathlib import Path

os.mkdir("many")
for number in range(8000):
    os.close(os.open(f"many/a file with a name of some length {number:06}.txt", os.O_CREAT | os.O_WRONLY, 0o666))
start = time.monotonic()
folder = Path("many")
print(
    len(os.listdir("many")),
    sum(entry.is_file() for entry in os.scandir("many")),
    sum(len(files) for _, _, files in os.walk(".")),
    len(list(folder.glob("*.txt"))),
    len(set(folder.rglob("*"))),
)
# Two of these took 1.9 seconds each on an idle machine.
print(time.monotonic() - start < 5)
shutil.rmtree("many")
print(len(os.listdir(".")))
