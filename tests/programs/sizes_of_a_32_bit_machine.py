# Sizes of C types in native layout, and hashes, are those of a 32-bit machine; standard layout is the same everywhere.
# differs: WebAssembly has 32-bit addresses
# stdout:
# |{'b': 1, 'h': 2, 'i': 4, 'l': 4, 'q': 8, 'P': 4, 'n': 4, 'f': 4, 'd': 8}
# |4 4 8
# |{'b': 1, 'h': 2, 'i': 4, 'l': 4, 'q': 8, 'f': 4, 'd': 8}
# |64 2147483647 1099511627776 -2 True
import array
import struct
import sys

print({code: struct.calcsize(code) for code in "bhilqPnfd"})
print(array.array("l").itemsize, array.array("L").itemsize, array.array("q").itemsize)
print({code: struct.calcsize("<" + code) for code in "bhilqfd"})
print(sys.hash_info.width, hash(2**31 - 1), hash(2**40), hash(-1), hash("") == hash(b""))
