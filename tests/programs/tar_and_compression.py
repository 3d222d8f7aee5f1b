# Compresses with gzip, bzip2 and xz, and makes a tar file.
# stdout:
# |gzip True True
# |bz2 True True
# |lzma True True
# |zlib True True
# |['notes/one.txt'] b'the same line again\n'
# |0x86fd1da4
# wrote: all.tar.gz
import bz2
import gzip
import io
import lzma
import tarfile
import zlib

text = b"the same line again\n" * 500
for module in (gzip, bz2, lzma, zlib):
    packed = module.compress(text)
    print(module.__name__, len(packed) < 200, module.decompress(packed) == text)
with tarfile.open("all.tar.gz", "w:gz") as tar:
    info = tarfile.TarInfo("notes/one.txt")
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))
with tarfile.open("all.tar.gz") as tar:
    print(tar.getnames(), tar.extractfile("notes/one.txt").readline())
print(hex(zlib.crc32(text)))
