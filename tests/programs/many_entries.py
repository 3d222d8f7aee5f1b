# Lists a folder of thousands of files as often as it likes.
# stdout:
# |8000 8000 8400 8000 8000
# |True
# |0
import os
import shutil
import time
from pathlib import Path


def make(folder, count):
    os.mkdir(folder)
    for number in range(count):
        os.close(os.open(f"{folder}/a file with a name of some length {number:06}.txt", os.O_CREAT | os.O_WRONLY, 0o666))


def shortest(folder, times):
    """How long it takes to list it so often."""
    tries = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            os.listdir(folder)
        tries.append(time.perf_counter() - start)
    return min(tries)


make("many", 8000)
make("few", 400)
folder = Path("many")
print(
    len(os.listdir("many")),
    sum(entry.is_file() for entry in os.scandir("many")),
    sum(len(files) for _, _, files in os.walk(".")),
    len(list(folder.glob("*.txt"))),
    len(set(folder.rglob("*"))),
)
# As many entries take as long in one folder as in twenty, where they once took 20 times
# as long. Both are long enough to wait for a processor as often.
print(shortest("many", 1) < 7 * shortest("few", 20))
shutil.rmtree("many")
shutil.rmtree("few")
print(len(os.listdir(".")))
