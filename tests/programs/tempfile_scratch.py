# Uses temporary files and folders, and leaves nothing.
# stdout:
# |7 True
# |False
# |['one\n', 'two\n'] True
# |100
import os
import tempfile

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x.txt")
    with open(path, "w") as file:
        file.write("scratch")
    print(os.path.getsize(path), os.path.exists(folder))
print(os.path.exists(folder))
with tempfile.NamedTemporaryFile("w+", suffix=".log") as file:
    file.write("one\ntwo\n")
    file.seek(0)
    print(file.readlines(), file.name.endswith(".log"))
with tempfile.SpooledTemporaryFile(max_size=10) as file:
    file.write(b"x" * 100)
    print(file.tell())
