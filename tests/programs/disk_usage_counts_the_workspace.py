# shutil.disk_usage counts the workspace against the limit of the run.
# differs: what the run may write is all there is of a disk
# stdout:
# |268435456 True
# |True
# wrote: data
import shutil

before = shutil.disk_usage("/workspace")
print(before.total, before.used < 1 << 20)
with open("data", "wb") as file:
    file.write(bytes(5 << 20))
print(5 << 20 <= shutil.disk_usage("/").used - before.used < 6 << 20)
